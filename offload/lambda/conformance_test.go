//go:build linux

package lambda_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sockerless/sockerless/offload/lambda"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/simulators/aws/backendtest"
)

func TestMain(m *testing.M) { backendtest.Main(m, lambda.New) }

func newCloud(t *testing.T, dataDir string, change ...func(*plugin.Lambda)) *backendtest.Cloud {
	t.Helper()
	return backendtest.New(t, dataDir, "lambda", func(user aws.Config) any {
		settings := plugin.Lambda{Region: user.Region, Endpoint: aws.ToString(user.BaseEndpoint), Role: "arn:aws:iam::000000000000:role/function"}
		for _, f := range change {
			f(&settings)
		}
		return settings
	})
}

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine { return newCloud(t, dataDir) })
}
