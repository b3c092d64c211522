package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/schemas"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/simulators/internal/machine"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account  string
	State    state.Store
	Machine  *machine.Machine // with a listener at RuntimeAddress
	Logs     *logs.Logs
	Registry Registry
	// Host is that of the account's registry, in references, and Pull the name and password with which images are got from it.
	Host   string
	Pull   func() (name, password string)
	Faults *faults.Set
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time // between the attempts of an event
	Log    *slog.Logger
}

// Registry is where the images of functions must be.
type Registry interface {
	Do(req *http.Request) *http.Response
}

// Lambda is the service.
type Lambda struct {
	config    Config
	functions *table.Table[function]
	events    *table.Table[event]
	runtime   http.Server // of the Runtime API

	ctx   context.Context // ends at Close
	stop  context.CancelFunc
	lives sync.WaitGroup

	mu        sync.Mutex
	sandboxes map[string]*sandbox   // by container id
	idle      map[string][]*sandbox // of a function, by its key: frozen; nil when it is closed
	busy      map[string]int        // invocations of a function that run
}

// Open goes on with the functions and events of an earlier simulator. Its sandboxes are gone with it.
func Open(config Config) (*Lambda, error) {
	l := &Lambda{config: config, sandboxes: map[string]*sandbox{}, idle: map[string][]*sandbox{}, busy: map[string]int{}}
	var err error
	if l.functions, err = table.Open[function](config.State, "lambda/function/"); err != nil {
		return nil, err
	}
	if l.events, err = table.Open[event](config.State, "lambda/event/"); err != nil {
		return nil, err
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if err := l.sweep(l.ctx); err != nil {
		return nil, err
	}
	l.serveRuntime()
	for _, f := range l.functions.All() {
		if f.changing() {
			l.lives.Go(func() { l.activate(f.key()) })
		}
	}
	for _, e := range l.events.All() {
		l.lives.Go(func() { l.deliver(e.ID) })
	}
	return l, nil
}

// Close ends the sandboxes, and with them what runs in them.
func (l *Lambda) Close() {
	l.stop()
	l.mu.Lock()
	idle := l.idle
	l.idle = nil
	l.mu.Unlock()
	for _, list := range idle {
		for _, s := range list {
			s.expiry.Stop()
			s.end()
		}
	}
	_ = l.runtime.Close() // it closes nothing but connections of sandboxes
	l.lives.Wait()
}

// Service is what it can do.
func (l *Lambda) Service() *wire.Service {
	return &wire.Service{
		Name: "lambda",
		Protocol: wire.REST(schemas.AWSGirApiService, schemas.CreateFunction, schemas.GetFunction, schemas.GetFunctionConfiguration, schemas.DeleteFunction,
			schemas.UpdateFunctionCode, schemas.UpdateFunctionConfiguration, schemas.ListFunctions, schemas.ListVersionsByFunction,
			schemas.GetFunctionCodeSigningConfig, schemas.Invoke, schemas.PutFunctionEventInvokeConfig, schemas.UpdateFunctionEventInvokeConfig,
			schemas.GetFunctionEventInvokeConfig, schemas.DeleteFunctionEventInvokeConfig, schemas.PutFunctionConcurrency, schemas.GetFunctionConcurrency,
			schemas.DeleteFunctionConcurrency, schemas.AddPermission, schemas.RemovePermission, schemas.GetPolicy, schemas.ListTags, schemas.TagResource,
			schemas.UntagResource),
		Operations: map[string]wire.Operation{
			"CreateFunction":                  wire.Op(l.createFunction),
			"GetFunction":                     wire.Op(l.getFunction),
			"GetFunctionConfiguration":        wire.Op(l.getFunctionConfiguration),
			"DeleteFunction":                  wire.Op(l.deleteFunction),
			"UpdateFunctionCode":              wire.Op(l.updateFunctionCode),
			"UpdateFunctionConfiguration":     wire.Op(l.updateFunctionConfiguration),
			"ListFunctions":                   wire.Op(l.listFunctions),
			"ListVersionsByFunction":          wire.Op(l.listVersions),
			"GetFunctionCodeSigningConfig":    wire.Op(l.getCodeSigning),
			"Invoke":                          wire.Op(l.invoke),
			"PutFunctionEventInvokeConfig":    wire.Op(l.putEventConfig),
			"UpdateFunctionEventInvokeConfig": wire.Op(l.updateEventConfig),
			"GetFunctionEventInvokeConfig":    wire.Op(l.getEventConfig),
			"DeleteFunctionEventInvokeConfig": wire.Op(l.deleteEventConfig),
			"PutFunctionConcurrency":          wire.Op(l.putConcurrency),
			"GetFunctionConcurrency":          wire.Op(l.getConcurrency),
			"DeleteFunctionConcurrency":       wire.Op(l.deleteConcurrency),
			"AddPermission":                   wire.Op(l.addPermission),
			"RemovePermission":                wire.Op(l.removePermission),
			"GetPolicy":                       wire.Op(l.getPolicy),
			"ListTags":                        wire.Op(l.listTags),
			"TagResource":                     wire.Op(l.tagResource),
			"UntagResource":                   wire.Op(l.untagResource),
		},
		Throttled: throttled(types.ThrottleReasonCallerRateLimitExceeded),
	}
}

// Functions are all that there are, for a page.
func (l *Lambda) Functions() []types.FunctionConfiguration {
	var list []types.FunctionConfiguration
	for _, f := range l.functions.All() {
		list = append(list, f.FunctionConfiguration)
	}
	return list
}

// Busy counts the invocations that run, for a page.
func (l *Lambda) Busy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, of := range l.busy {
		n += of
	}
	return n
}

func (l *Lambda) arn(region, name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", region, l.config.Account, name)
}

func user() *string { return aws.String("User") }

func invalid(format string, args ...any) error {
	return &types.InvalidParameterValueException{Type: user(), Message: aws.String(fmt.Sprintf(format, args...))}
}

func conflict(format string, args ...any) error {
	return &types.ResourceConflictException{Type: user(), Message: aws.String(fmt.Sprintf(format, args...))}
}

func notFound(format string, args ...any) error {
	return &types.ResourceNotFoundException{Type: user(), Message: aws.String(fmt.Sprintf(format, args...))}
}

// outOfRange is what the service says of a member that its model refuses.
func outOfRange(member string, value any, format string, args ...any) error {
	return &wire.Error{Code: "ValidationException", Message: fmt.Sprintf("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s",
		value, member, fmt.Sprintf(format, args...))}
}

func throttled(why types.ThrottleReason) error {
	return &types.TooManyRequestsException{Type: user(), Reason: why, Message: aws.String("Rate Exceeded.")}
}
