// Testfunction is a function of the tests: what it does is in the event.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Event is what the function is asked for.
type Event struct {
	Do   string        `json:"do"`
	Code int           `json:"code,omitempty"`
	For  time.Duration `json:"for,omitempty"`
	Text string        `json:"text,omitempty"`
}

// Report is what it saw.
type Report struct {
	RequestID, ARN string
	Left           time.Duration // until the deadline
	Started        time.Time     // of the process
	Gap            time.Duration // the longest in which the process did not run
	UID, GID       int
	Env            map[string]string
	Text           string
}

var (
	started = time.Now()
	gap     atomic.Int64
	kept    [][]byte
)

// tick measures the time in which the process does not run.
func tick() {
	for last := time.Now().UnixNano(); ; {
		time.Sleep(time.Millisecond)
		now := time.Now().UnixNano()
		gap.Store(max(gap.Load(), now-last))
		last = now
	}
}

func handle(ctx context.Context, e Event) (*Report, error) {
	c, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	fmt.Println("doing", e.Do, e.Text)
	r := &Report{RequestID: c.AwsRequestID, ARN: c.InvokedFunctionArn, Left: time.Until(deadline), Started: started, UID: os.Getuid(), GID: os.Getgid()}
	switch e.Do {
	case "env":
		r.Env = map[string]string{}
		for _, v := range os.Environ() {
			name, value, _ := strings.Cut(v, "=")
			r.Env[name] = value
		}
	case "gap":
		r.Gap = time.Duration(gap.Swap(0))
	case "fail":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.Code)
	case "wait": // longer than it may
		<-make(chan struct{})
	case "write":
		for _, file := range []string{"/file", "/tmp/file"} {
			r.Text += fmt.Sprintln(os.WriteFile(file, []byte(e.Text), 0o600))
		}
		return r, os.Remove("/tmp/file")
	case "fill":
		f, err := os.Create("/tmp/big")
		if err != nil {
			return nil, err
		}
		defer os.Remove("/tmp/big")
		defer f.Close()
		block, n := make([]byte, 1<<20), 0
		for err == nil {
			if _, err = f.Write(block); err == nil {
				n++
			}
		}
		r.Text = fmt.Sprintf("%d MiB, then %v", n, err)
	case "eat":
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
		}
	case "large":
		r.Text = strings.Repeat("x", 7<<20)
	case "meet": // returns when another sandbox of the function is there too
		return r, meet(ctx, e.Text)
	}
	return r, nil
}

// meet tells a server that it is there, which answers when it lets it go.
func meet(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("it does not begin")
		os.Exit(3)
	case "error":
		body := strings.NewReader(`{"errorType":"Test.Init","errorMessage":"it cannot begin"}`)
		if _, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body); err != nil {
			panic(err)
		}
		os.Exit(1)
	}
	go tick()
	lambda.Start(handle)
}
