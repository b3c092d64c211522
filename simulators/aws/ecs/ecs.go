package ecs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/schemas"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/ec2"
	"github.com/sockerless/sockerless/simulators/aws/logs"
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
	Logs    *logs.Logs
	Network Network
	// Host is that of the account's own registry, and Pull the name and password with which images are got from it.
	Host string
	Pull func() (name, password string)
	// Mount finds the folder of this machine that a volume of EFS is, for who is at an interface. The error is why a task with it does
	// not start.
	Mount func(at ec2.Interface, fileSystem, accessPoint, root string) (folder string, err error)
	Roles Roles
	// Assume gives out credentials of a role, for a session that has a name.
	Assume func(ctx context.Context, arn, session string, d time.Duration) (aws.Credentials, error)
	Faults *faults.Set
	Now    func() time.Time
	Log    *slog.Logger
}

// Roles are what tasks may do.
type Roles interface {
	// Trusts tells whether a service may take a role on.
	Trusts(role, service string) bool
	// Allows tells whether a role may do something: "ecr:BatchGetImage".
	Allows(role, action string) bool
	// MayPass tells whether a caller, by the role that it has, may give tasks a role.
	MayPass(caller, role string) bool
}

// ECS is the service.
type ECS struct {
	config      Config
	clusters    *table.Table[types.Cluster]
	definitions *table.Table[definition]
	tasks       *table.Table[task]
	metadata    http.Server

	ctx    context.Context // ends at Close
	stop   context.CancelFunc
	lives  sync.WaitGroup
	begins sync.Map // of tasks that begin: what ends that, by id

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
	e.serveMetadata()
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
	_ = e.metadata.Close() // it closes nothing but connections of tasks
	e.lives.Wait()
}

// Service is what it can do.
func (e *ECS) Service() *wire.Service {
	return &wire.Service{
		Name: "ecs", Protocol: wire.JSON(schemas.AmazonEC2ContainerServiceV20141113),
		Operations: map[string]wire.Operation{
			"CreateCluster":               wire.Op(e.createCluster),
			"DeleteCluster":               wire.Op(e.deleteCluster),
			"DeleteTaskDefinitions":       wire.Op(e.deleteTaskDefinitions),
			"DeregisterTaskDefinition":    wire.Op(e.deregisterTaskDefinition),
			"DescribeCapacityProviders":   wire.Op(e.describeCapacityProviders),
			"DescribeClusters":            wire.Op(e.describeClusters),
			"DescribeTaskDefinition":      wire.Op(e.describeTaskDefinition),
			"DescribeTasks":               wire.Op(e.describeTasks),
			"ExecuteCommand":              wire.Op(e.executeCommand),
			"ListClusters":                wire.Op(e.listClusters),
			"ListTagsForResource":         wire.Op(e.listTagsForResource),
			"ListTaskDefinitionFamilies":  wire.Op(e.listTaskDefinitionFamilies),
			"ListTaskDefinitions":         wire.Op(e.listTaskDefinitions),
			"ListTasks":                   wire.Op(e.listTasks),
			"PutClusterCapacityProviders": wire.Op(e.putClusterCapacityProviders),
			"RegisterTaskDefinition":      wire.Op(e.registerTaskDefinition),
			"RunTask":                     wire.Op(e.runTask),
			"StopTask":                    wire.Op(e.stopTask),
			"TagResource":                 wire.Op(e.tagResource),
			"UntagResource":               wire.Op(e.untagResource),
			"UpdateCluster":               wire.Op(e.updateCluster),
			"UpdateClusterSettings":       wire.Op(e.updateClusterSettings),
		},
	}
}

// Clusters are all that there are, for a page.
func (e *ECS) Clusters() []types.Cluster {
	all := e.clusters.All()
	for i := range all {
		all[i] = e.counted(all[i])
	}
	return all
}

// Tasks are all that there are, for a page.
func (e *ECS) Tasks() []types.Task {
	var list []types.Task
	for _, t := range e.tasks.All() {
		list = append(list, t.Task)
	}
	return list
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
