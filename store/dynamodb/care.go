package dynamodb

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Setting is how the table is kept in one respect, beside what is stored in it.
type Setting struct {
	Name string
	On   bool
	Err  error  // why On is unknown
	Lack string // what follows where it is off, and the command that switches it on
}

// Settings asks whether expired items are deleted and whether the table can be restored. Without either everything works.
func (t *Table) Settings(ctx context.Context) []Setting {
	ttl := Setting{Name: "TTL", Lack: fmt.Sprintf("expired items are never deleted, so each start reads and bills more of them: "+
		"aws dynamodb update-time-to-live --table-name %s --time-to-live-specification Enabled=true,AttributeName=%s", t.name, TTL)}
	ttl.On, ttl.Err = t.expires(ctx)
	backups := Setting{Name: "point-in-time recovery", Lack: fmt.Sprintf("what is deleted or overwritten by mistake cannot be restored: "+
		"aws dynamodb update-continuous-backups --table-name %s --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true", t.name)}
	backups.On, backups.Err = t.restorable(ctx)
	return []Setting{ttl, backups}
}

func (t *Table) expires(ctx context.Context) (bool, error) {
	out, err := t.db.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.name})
	if err != nil {
		return false, t.explain("DescribeTimeToLive", err)
	}
	d := out.TimeToLiveDescription
	if d == nil || aws.ToString(d.AttributeName) != TTL {
		return false, nil
	}
	return d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling, nil
}

func (t *Table) restorable(ctx context.Context) (bool, error) {
	out, err := t.db.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &t.name})
	if err != nil {
		return false, t.explain("DescribeContinuousBackups", err)
	}
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}
