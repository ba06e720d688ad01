package rollout

import (
	"cmp"
	"strings"

	"taskwarden/reconciler/fleet"
)

// Against is what forbids the plan by facts that are newer than it, or nil: asked again right before a write.
func (s Subject) Against(p Plan) *Refusal {
	return firstOf(changedOwner(p.Owner, s.Facts.Owner), s.lasting(p))
}

// lasting is the first reason against the plan that only a person's change ends, or nil.
func (s Subject) lasting(p Plan) *Refusal {
	f := s.Facts
	switch c := s.Service.Controller; {
	case f.Deleted || s.Service.Status == "DRAINING" || s.Service.Status == "INACTIVE":
		return refuse(ReasonDeleted, nil, "the service is being deleted, or is deleted already")
	case f.Base != "" && f.Base != fleet.RevisionActive:
		return BaseInactive(p.Base, f.Base)
	case f.Express:
		return refuse(ReasonExpress, nil, "ECS Express Mode manages this service")
	case c != "" && c != "ECS":
		return refuse(ReasonController, []string{"deploymentController " + c}, "UpdateService cannot change the revision of a service that %s deploys", c)
	case len(f.PauseHooks) > 0:
		return refuse(ReasonStrategy, f.PauseHooks, "the service's deployments pause for somebody's answer, up to 14 days")
	case p.Handling == Refuse && p.Owner.State == Owned:
		return refuse(ReasonOwned, p.Owner.Evidence, "%s owns this service", cmp.Or(p.Owner.Name, "another tool"))
	case p.Handling == Refuse && p.Owner.State == UnknownOwner:
		return refuse(ReasonOwnerUnknown, p.Owner.Evidence, "who owns this service cannot be told")
	case f.Registration != nil && !(p.Handling == Export && f.Registration.ofLimits()):
		return f.Registration
	case len(f.UnknownFields) > 0:
		return refuse(ReasonField, f.UnknownFields, "the running revision has fields that a registration would lose")
	case len(f.MovingImages) > 0:
		return refuse(ReasonDrift, f.MovingImages, "a new deployment would start, or may start, another image: %s", strings.Join(f.MovingImages, "; "))
	case len(f.FamilyUsers) > 0:
		return refuse(ReasonShared, f.FamilyUsers, "others run the newest revision of this family, whatever it is")
	}
	return nil
}

// BaseInactive refuses a change of a service whose running revision ECS would not deploy again.
func BaseInactive(base, status string) *Refusal {
	return refuse(ReasonInactive, []string{"status " + status}, "the running revision %s is %s: ECS does not deploy it again, so there would be no way back to it",
		fleet.NameOf(base), status)
}
