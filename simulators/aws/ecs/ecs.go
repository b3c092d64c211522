package ecs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/schemas"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/simulators/internal/machine"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	State   state.Store
	Machine *machine.Machine
	Images  Images
	Logs    Logs
	Faults  *faults.Set
	Now     func() time.Time
	Log     *slog.Logger
}

// Images is where a task's image is pulled from.
type Images interface {
	// Token is for a pull.
	Token(ctx context.Context) (user, password string, err error)
}

// Logs takes what tasks write, as the log driver awslogs gives it to CloudWatch Logs.
type Logs interface {
	// Write adds a line to a stream of a group, which is made where create says so.
	Write(ctx context.Context, region, group, stream string, create bool, at time.Time, line string) error
}

// ECS is the service.
type ECS struct {
	config      Config
	clusters    *table.Table[types.Cluster]
	definitions *table.Table[definition]
	tasks       *table.Table[task]

	ctx   context.Context // ends at Close
	stop  context.CancelFunc
	lives sync.WaitGroup

	running sync.Mutex // of RunTask, so that a token is used once
}

// Open goes on with the tasks of an earlier simulator.
func Open(config Config) (*ECS, error) {
	e := &ECS{config: config}
	var err error
	if e.clusters, err = table.Open[types.Cluster](config.State, "ecs/cluster/"); err != nil {
		return nil, err
	}
	if e.definitions, err = table.Open[definition](config.State, "ecs/definition/"); err != nil {
		return nil, err
	}
	if e.tasks, err = table.Open[task](config.State, "ecs/task/"); err != nil {
		return nil, err
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	for _, t := range e.tasks.All() {
		if t.status() != stopped {
			e.live(t.ID)
		}
	}
	return e, nil
}

// Close lets go of the tasks, which go on.
func (e *ECS) Close() {
	e.stop()
	e.lives.Wait()
}

// Service is what it can do.
func (e *ECS) Service() *wire.Service {
	return &wire.Service{
		Name: "ecs", Protocol: wire.JSON(schemas.AmazonEC2ContainerServiceV20141113),
		Operations: map[string]wire.Operation{
			"CreateCluster":          wire.Op(e.createCluster),
			"DescribeClusters":       wire.Op(e.describeClusters),
			"DeleteCluster":          wire.Op(e.deleteCluster),
			"RegisterTaskDefinition": wire.Op(e.registerTaskDefinition),
			"DescribeTaskDefinition": wire.Op(e.describeTaskDefinition),
			"RunTask":                wire.Op(e.runTask),
			"DescribeTasks":          wire.Op(e.describeTasks),
			"ListTasks":              wire.Op(e.listTasks),
			"StopTask":               wire.Op(e.stopTask),
		},
	}
}

func (e *ECS) arn(region, kind, name string) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:%s/%s", region, e.config.Account, kind, name)
}

func clientError(format string, args ...any) error {
	return &wire.Error{Code: "ClientException", Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &wire.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}
