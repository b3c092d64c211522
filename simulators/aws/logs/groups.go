package logs

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/store/state"
)

var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
)

// retentions are the days that a group may keep its events.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (l *Logs) createLogGroup(ctx context.Context, c *wire.Call, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	name := aws.ToString(in.LogGroupName)
	if !groupName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := groupKey(c.Region, name)
	if l.groups[key] != nil {
		return nil, exists("log group")
	}
	g := &group{Region: c.Region, Name: name, Created: l.now(), Class: cmp.Or(in.LogGroupClass, types.LogGroupClassStandard), Protected: aws.ToBool(in.DeletionProtectionEnabled), Tags: in.Tags, streams: map[string]*stream{}}
	if err := l.keep(ctx, g); err != nil {
		return nil, err
	}
	l.groups[key] = g
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (l *Logs) deleteLogGroup(ctx context.Context, c *wire.Call, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(c, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	if g.Protected {
		return nil, &wire.Error{Code: "OperationAbortedException", Message: "The log group is protected from deletion"}
	}
	changes := []state.Change{state.Delete(groupPrefix + groupKey(g.Region, g.Name))}
	for _, s := range g.streams {
		changes = append(changes, s.gone(g)...)
	}
	if err := l.config.State.Update(ctx, changes...); err != nil {
		return nil, err
	}
	delete(l.groups, groupKey(g.Region, g.Name))
	return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
}

// gone is what removes a stream.
func (s *stream) gone(g *group) []state.Change {
	changes := []state.Change{state.Delete(streamKey(g, s.Name))}
	for _, e := range s.events {
		changes = append(changes, state.Delete(eventKey(s, e.Number)))
	}
	return changes
}

// inOrder are the groups by region and name. l.mu is held.
func (l *Logs) inOrder() []*group {
	var list []*group
	for _, key := range slices.Sorted(maps.Keys(l.groups)) {
		list = append(list, l.groups[key])
	}
	return list
}

func (g *group) names() []string { return slices.Sorted(maps.Keys(g.streams)) }

func (l *Logs) describeLogGroups(_ context.Context, c *wire.Call, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []types.LogGroup
	for _, g := range l.inOrder() {
		named := len(in.LogGroupIdentifiers) == 0 || slices.ContainsFunc(in.LogGroupIdentifiers, func(id string) bool { return nameOf(id) == g.Name })
		if g.Region != c.Region || !named || !strings.HasPrefix(g.Name, aws.ToString(in.LogGroupNamePrefix)) || !strings.Contains(g.Name, aws.ToString(in.LogGroupNamePattern)) || in.LogGroupClass != "" && in.LogGroupClass != g.Class {
			continue
		}
		shown := types.LogGroup{
			Arn: aws.String(l.arn(g) + ":*"), LogGroupArn: aws.String(l.arn(g)), LogGroupName: aws.String(g.Name), CreationTime: aws.Int64(g.Created), LogGroupClass: g.Class,
			MetricFilterCount: aws.Int32(0), StoredBytes: aws.Int64(0), DeletionProtectionEnabled: aws.Bool(g.Protected),
		}
		if g.RetentionDays > 0 {
			shown.RetentionInDays = aws.Int32(g.RetentionDays)
		}
		for _, s := range g.streams {
			for _, e := range l.visible(g, s) {
				*shown.StoredBytes += int64(len(e.Message)) + overhead
			}
		}
		list = append(list, shown)
	}
	page, next, err := wire.Page(list, aws.ToString(in.NextToken), int(aws.ToInt32(in.Limit)), 50)
	return &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: page, NextToken: next}, err
}

func (l *Logs) putRetentionPolicy(ctx context.Context, c *wire.Call, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	days := aws.ToInt32(in.RetentionInDays)
	if !slices.Contains(retentions, days) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", days, retentions)
	}
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, l.retain(ctx, c, in.LogGroupName, days)
}

func (l *Logs) deleteRetentionPolicy(ctx context.Context, c *wire.Call, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, l.retain(ctx, c, in.LogGroupName, 0)
}

func (l *Logs) retain(ctx context.Context, c *wire.Call, name *string, days int32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(c, name, nil)
	if err != nil {
		return err
	}
	return l.change(ctx, g, func(g *group) { g.RetentionDays = days })
}

func (l *Logs) createLogStream(ctx context.Context, c *wire.Call, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	name := aws.ToString(in.LogStreamName)
	if !streamName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(c, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	if g.streams[name] != nil {
		return nil, exists("log stream")
	}
	_, err = l.newStream(ctx, g, name)
	return &cloudwatchlogs.CreateLogStreamOutput{}, err
}

func (l *Logs) deleteLogStream(ctx context.Context, c *wire.Call, in *cloudwatchlogs.DeleteLogStreamInput) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, s, err := l.stream(c, in.LogGroupName, nil, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if err := l.config.State.Update(ctx, s.gone(g)...); err != nil {
		return nil, err
	}
	delete(g.streams, s.Name)
	return &cloudwatchlogs.DeleteLogStreamOutput{}, nil
}

// stream finds one. l.mu is held.
func (l *Logs) stream(c *wire.Call, name, identifier, streamName *string) (*group, *stream, error) {
	g, err := l.group(c, name, identifier)
	if err != nil {
		return nil, nil, err
	}
	s := g.streams[aws.ToString(streamName)]
	if s == nil {
		return nil, nil, missing("log stream")
	}
	return g, s, nil
}

func (l *Logs) describeLogStreams(_ context.Context, c *wire.Call, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(c, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	var list []types.LogStream
	for _, name := range g.names() {
		if !strings.HasPrefix(name, aws.ToString(in.LogStreamNamePrefix)) {
			continue
		}
		s := g.streams[name]
		shown := types.LogStream{
			LogStreamName: aws.String(name), CreationTime: aws.Int64(s.Created), Arn: aws.String(l.arn(g) + ":log-stream:" + name),
			//lint:ignore SA1019 the service still answers with it
			StoredBytes: aws.Int64(0), UploadSequenceToken: aws.String(s.token()),
		}
		if events := l.visible(g, s); len(events) > 0 {
			last := events[len(events)-1]
			shown.FirstEventTimestamp, shown.LastEventTimestamp = aws.Int64(events[0].At), aws.Int64(last.At)
			shown.LastIngestionTime = aws.Int64(slices.MaxFunc(events, func(a, b event) int { return cmp.Compare(a.Ingested, b.Ingested) }).Ingested)
		}
		list = append(list, shown)
	}
	if byTime {
		slices.SortStableFunc(list, func(a, b types.LogStream) int {
			return cmp.Compare(aws.ToInt64(a.LastEventTimestamp), aws.ToInt64(b.LastEventTimestamp))
		})
	}
	if aws.ToBool(in.Descending) {
		slices.Reverse(list)
	}
	page, next, err := wire.Page(list, aws.ToString(in.NextToken), int(aws.ToInt32(in.Limit)), 50)
	return &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: page, NextToken: next}, err
}

func (l *Logs) tagged(c *wire.Call, arn *string) (*group, error) {
	g := l.groups[groupKey(c.Region, nameOf(aws.ToString(arn)))]
	if g == nil || l.arn(g) != strings.TrimSuffix(aws.ToString(arn), ":*") {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Message: "The specified resource does not exist."}
	}
	return g, nil
}

func (l *Logs) tagResource(ctx context.Context, c *wire.Call, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.TagResourceOutput{}, l.change(ctx, g, func(g *group) {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, in.Tags)
	})
}

func (l *Logs) untagResource(ctx context.Context, c *wire.Call, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.UntagResourceOutput{}, l.change(ctx, g, func(g *group) {
		for _, key := range in.TagKeys {
			delete(g.Tags, key)
		}
	})
}

func (l *Logs) listTagsForResource(_ context.Context, c *wire.Call, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.tagged(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(g.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: tags}, nil
}
