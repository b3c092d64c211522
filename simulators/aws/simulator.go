package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/simulators/aws/ec2"
	"github.com/sockerless/sockerless/simulators/aws/ecr"
	"github.com/sockerless/sockerless/simulators/aws/ecs"
	"github.com/sockerless/sockerless/simulators/aws/efs"
	"github.com/sockerless/sockerless/simulators/aws/iam"
	"github.com/sockerless/sockerless/simulators/aws/lambda"
	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/aws/sts"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/calls"
	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/simulators/internal/machine"
	"github.com/sockerless/sockerless/simulators/internal/registry"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// Account is the number of the only account.
const Account = "000000000000"

// Config is what a simulator is made of.
type Config struct {
	DataDir    string // it is made
	RuntimeDir string // for links to sockets: short, of this simulator only
	Native     native.Config
	Agent      func(platform string) (offload.AgentProgram, error)
	// Keys are the secrets of access keys, by id.
	Keys map[string]string
	Log  *slog.Logger     // nil discards
	Now  func() time.Time // nil is the machine's clock
	// Answered is told each answer of a service that is no fault's, before it is sent: for tests. Nil is nobody.
	Answered func(c *wire.Call, status int, header http.Header, body []byte)
	// After is the time until something is tried again; nil is time.After.
	After func(time.Duration) <-chan time.Time
}

// Simulator is a running AWS.
type Simulator struct {
	config   Config
	listener net.Listener
	server   http.Server
	serving  sync.WaitGroup
	services atomic.Pointer[map[string]*wire.Service] // by the name in signatures; nil while it starts
	ecr      *ecr.ECR
	machine  *machine.Machine
	logs     *logs.Logs
	ecs      *ecs.ECS
	lambda   *lambda.Lambda
	ec2      *ec2.EC2
	efs      *efs.EFS
	sts      *sts.STS
	roles    *iam.IAM
	state    state.Store
	faults   faults.Set
	calls    calls.Log
	now      func() time.Time
}

// Open starts a simulator that listens at l, which it closes at its end.
func Open(ctx context.Context, config Config, l net.Listener) (s *Simulator, err error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.After == nil {
		config.After = time.After
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	s = &Simulator{config: config, listener: l, now: config.Now}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the simulator: %w", err), s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.state, err = state.Open(filepath.Join(config.DataDir, "state"), state.Options{Log: config.Log}); err != nil {
		return s, err
	}
	images, err := registry.Open(filepath.Join(config.DataDir, "registry"), s.state)
	if err != nil {
		return s, err
	}
	if s.ecr, err = ecr.Open(ctx, ecr.Config{Account: Account, Host: s.Host(), State: s.state, Registry: images, Faults: &s.faults, Now: s.now}); err != nil {
		return s, err
	}
	s.ec2, err = ec2.Open(ec2.Config{Account: Account, State: s.state, Now: s.now, Network: s.network, RemoveNetwork: s.removeNetwork})
	if err != nil {
		return s, err
	}
	// The machine pulls from the registry here while it is opened by nobody else: the listener serves first.
	s.serve()
	s.machine, err = machine.Open(ctx, machine.Config{
		DataDir: filepath.Join(config.DataDir, "machine"), RuntimeDir: config.RuntimeDir, Instance: "aws", State: s.state, Native: config.Native,
		Agent: config.Agent, Registries: image.RegistriesConfig{s.Host(): {PlainHTTP: true}}, Addresses: []string{ecs.MetadataAddress, lambda.RuntimeAddress}, Admit: s.ec2.Admit, Log: config.Log})
	if err != nil {
		return s, err
	}
	if s.logs, err = logs.Open(logs.Config{Account: Account, State: s.state, Faults: &s.faults, Now: s.now}); err != nil {
		return s, err
	}
	if s.roles, err = iam.Open(iam.Config{Account: Account, State: s.state, Now: s.now}); err != nil {
		return s, err
	}
	if s.sts, err = sts.Open(sts.Config{Account: Account, State: s.state, Now: s.now, Roles: s.roles}); err != nil {
		return s, err
	}
	s.efs, err = efs.Open(efs.Config{Account: Account, Dir: filepath.Join(config.DataDir, "efs"), State: s.state, Now: s.now, Network: s.ec2})
	if err != nil {
		return s, err
	}
	s.ecs, err = ecs.Open(ecs.Config{
		Account: Account, State: s.state, Machine: s.machine, Logs: s.logs, Network: s.ec2, Mount: s.efs.Mount, Roles: s.roles, Assume: s.sts.Assume, Host: s.Host(), Pull: s.ecr.Credentials,
		Faults: &s.faults, Now: s.now, Log: config.Log})
	if err != nil {
		return s, err
	}
	s.lambda, err = lambda.Open(lambda.Config{
		Account: Account, State: s.state, Machine: s.machine, Logs: s.logs, Registry: images, Host: s.Host(), Pull: s.ecr.Credentials, Faults: &s.faults, Now: s.now, After: config.After, Log: config.Log})
	if err != nil {
		return s, err
	}
	services := map[string]*wire.Service{}
	for _, service := range []*wire.Service{s.sts.Service(), s.roles.Service(), s.ecs.Service(), s.ecr.Service(), s.logs.Service(), s.ec2.Service(), s.efs.Service(), s.lambda.Service()} {
		services[service.Name] = service
	}
	s.services.Store(&services)
	return s, nil
}

// Host is where it listens: host:port.
func (s *Simulator) Host() string { return s.listener.Addr().String() }

// Machine is where tasks run.
func (s *Simulator) Machine() *machine.Machine { return s.machine }

// Close lets go of the tasks, which go on, and ends the service.
func (s *Simulator) Close(ctx context.Context) error {
	if s.ecs != nil {
		s.ecs.Close() // first: its tasks pull from the registry here
	}
	if s.lambda != nil {
		s.lambda.Close()
	}
	errs := []error{s.server.Close(), s.listener.Close()}
	if errors.Is(errs[1], net.ErrClosed) {
		errs[1] = nil
	}
	s.serving.Wait()
	if s.machine != nil {
		errs = append(errs, s.machine.Close(ctx))
	}
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	return errors.Join(errs...)
}

func (s *Simulator) serve() {
	s.server.Handler = s
	s.server.ReadHeaderTimeout = time.Minute
	s.server.ErrorLog = slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug)
	s.serving.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.Error("the simulator serves no more", "error", err)
		}
	})
}

// mostBody is how long a request may be, in bytes.
const mostBody = 64 << 20

// ServeHTTP tells the registry and the simulator's own pages from the services, which a signature names.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case within(r.URL.Path, "/v2"):
		s.ecr.ServeHTTP(w, r)
		return
	case within(r.URL.Path, "/_simulator"):
		s.admin(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	c := &wire.Call{HTTP: r, Body: body, RequestID: wire.UUID()}
	begun := s.now()
	answer := &buffer{} // whole, or an error: it is written first where nobody sees it
	answer.Header().Set("X-Amzn-Requestid", c.RequestID)
	record := calls.Call{Time: begun}
	record.Code, record.Fault = s.answer(answer, c)
	record.Service, record.Operation, record.Key, record.Status, record.Took = c.Service, c.Operation, c.Key, answer.status, time.Since(begun)
	record.Input = string(body[:min(len(body), 4096)])
	s.calls.Add(record)
	if record.Fault == string(faults.Lose) {
		s.hangUp(w)
		return
	}
	if s.config.Answered != nil && record.Fault == "" {
		s.config.Answered(c, answer.status, answer.header, answer.body.Bytes())
	}
	answer.to(w)
}

func within(path, folder string) bool {
	return path == folder || len(path) > len(folder) && path[:len(folder)] == folder && path[len(folder)] == '/'
}

// answer runs a call, with the faults that happen to it. It returns the code of an error and the kind of a fault.
func (s *Simulator) answer(w *buffer, c *wire.Call) (code, fault string) {
	refused := wire.Verify(c, s.secret, s.now())
	var service *wire.Service
	if all := s.services.Load(); all != nil {
		service = (*all)[c.Service]
	}
	if service == nil {
		if refused == nil {
			refused = &wire.Error{Status: http.StatusNotFound, Code: "UnknownService", Message: fmt.Sprintf("the simulator has no service %q", c.Service)}
		}
		wire.Plain(w, refused)
		return refused.Code, ""
	}
	c.Operation = service.Protocol.Name(c)
	fail := func(err *wire.Error) string {
		service.Protocol.Fail(w, c, err)
		return err.Code
	}
	if refused != nil {
		return fail(refused), ""
	}
	if r, hit := s.faults.Hit(faults.Delay, c.Service, c.Operation); hit {
		fault = string(r.Kind)
		select {
		case <-time.After(r.For):
		case <-c.HTTP.Context().Done():
			return "", fault
		}
	}
	if r, hit := s.faults.Hit(faults.Expire, c.Service, c.Operation); hit {
		return fail(&wire.Error{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}), string(r.Kind)
	}
	if r, hit := s.faults.Hit(faults.Throttle, c.Service, c.Operation); hit {
		if service.Throttled != nil {
			return fail(wire.AsError(service.Throttled)), string(r.Kind)
		}
		return fail(&wire.Error{Code: "ThrottlingException", Message: "Rate exceeded"}), string(r.Kind)
	}
	if r, hit := s.faults.Hit(faults.Fail, c.Service, c.Operation); hit {
		return fail(&wire.Error{Status: http.StatusInternalServerError, Code: r.Code, Message: "it fails, as a rule of the simulator wants"}), string(r.Kind)
	}
	if c.Role = s.sts.Role(c.Key); c.Role != "" {
		if err := s.authorize(c); err != nil {
			return fail(err), fault
		}
	}
	out, err := service.Call(c.HTTP.Context(), c)
	if r, hit := s.faults.Hit(faults.Lose, c.Service, c.Operation); hit && err == nil {
		return "", string(r.Kind)
	}
	if err != nil {
		known := wire.AsError(err)
		if known.Status >= http.StatusInternalServerError {
			s.config.Log.Error("a call failed", "service", c.Service, "operation", c.Operation, "error", err)
		}
		return fail(known), fault
	}
	if err := service.Protocol.Encode(w, c, out); err != nil {
		return fail(wire.AsError(err)), fault
	}
	return "", fault
}

// authorize refuses what the role of a caller does not allow, with the code that the service has for it.
func (s *Simulator) authorize(c *wire.Call) *wire.Error {
	action := c.Service + ":" + c.Operation
	if action == "lambda:Invoke" {
		action = "lambda:InvokeFunction"
	}
	if action == "sts:GetCallerIdentity" || s.roles.Allows(c.Role, action) {
		return nil
	}
	e := &wire.Error{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: fmt.Sprintf("User: %s is not authorized to perform: %s because no identity-based policy allows the %[2]s action", s.sts.ARN(c.Key), action)}
	switch c.Service {
	case "ec2":
		e.Code = "UnauthorizedOperation"
	case "iam", "sts":
		e.Code = "AccessDenied"
	}
	return e
}

// secret is of the keys that the simulator was started with, and of those that it gave out.
func (s *Simulator) secret(id string) (awssdk.Credentials, bool, *wire.Error) {
	if secret, ok := s.config.Keys[id]; ok || s.services.Load() == nil {
		return awssdk.Credentials{AccessKeyID: id, SecretAccessKey: secret}, ok, nil
	}
	return s.sts.Key(id)
}

// hangUp ends a connection without an answer.
func (s *Simulator) hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.config.Log.Error("lose an answer", "error", err)
		return
	}
	_ = conn.Close()
}

// buffer is an answer that is not sent yet.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffer) to(w http.ResponseWriter) {
	for name, values := range b.header {
		w.Header()[name] = values
	}
	w.WriteHeader(max(b.status, http.StatusOK))
	_, _ = w.Write(b.body.Bytes()) // the client is gone
}
