package account

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// caller is who a call with this access key comes from: the session of a role that AssumeRole gave the key for, or else the
// account's one user.
func (a *Account) caller(accessKey string) string {
	if session, ok := a.sessions[accessKey]; ok {
		return session
	}
	return "arn:aws:sts::" + a.accountID + ":assumed-role/taskwarden/taskwarden"
}

func getCallerIdentity(a *Account, _ wire.Input) (map[string]any, error) {
	return map[string]any{"Arn": a.caller(a.signer), "Account": a.accountID, "UserId": "AROAEXAMPLEEXAMPLE123:taskwarden"}, nil
}

// assumeRole gives credentials that this account takes like any others.
func assumeRole(a *Account, in wire.Input) (map[string]any, error) {
	role, session := in.String("RoleArn"), in.String("RoleSessionName")
	if role == "" || session == "" {
		return nil, wire.Bad("ValidationError", "RoleArn and RoleSessionName must not be empty")
	}
	arn, ok := sessionARN(role, session)
	if !ok {
		return nil, wire.Bad("ValidationError", "%s is invalid", role)
	}
	lasts := time.Duration(in.Int("DurationSeconds", 3600)) * time.Second
	key := "ASIA" + strings.ToUpper(a.secret(8))
	a.sessions[key] = arn
	return map[string]any{
		"AssumedRoleUser": map[string]any{"Arn": arn, "AssumedRoleId": "AROAEXAMPLEEXAMPLE123:" + session},
		"Credentials": map[string]any{
			"AccessKeyId": key, "SecretAccessKey": a.secret(20), "SessionToken": a.secret(32),
			"Expiration": a.now.Add(lasts),
		},
	}, nil
}

// sessionARN is what a role's session is called: the role's name without its path (IAM user guide, "IAM identifiers").
func sessionARN(role, session string) (arn string, ok bool) {
	parts := strings.SplitN(role, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") {
		return "", false
	}
	return "arn:" + parts[1] + ":sts::" + parts[4] + ":assumed-role/" + last(parts[5]) + "/" + session, true
}

// secret makes the parts of a credential. They are random beyond the scenario's seed, so that asking for one changes nothing
// in the world.
func (a *Account) secret(bytes int) string {
	text := make([]byte, bytes)
	_, _ = rand.Read(text) // never fails
	return hex.EncodeToString(text)
}
