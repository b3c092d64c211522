//go:build linux

package aws_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sockerless/sockerless/simulators/internal/faults"
)

func refusedAs(err error, status int, code transport.ErrorCode) bool {
	var e *transport.Error
	return errors.As(err, &e) && e.StatusCode == status && (code == "" || len(e.Errors) > 0 && e.Errors[0].Code == code)
}

// TestRegistry is of what the data plane asks for, and of what is in a repository.
func TestRegistry(t *testing.T) {
	c := newCloud(t)
	reference := c.push("team/one")
	client := ecr.NewFromConfig(c.client("secret"))
	ref := must(name.ParseReference(reference))

	answer, err := http.Get("http://" + c.Host() + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("without a token: %s, %q", answer.Status, answer.Header.Get("WWW-Authenticate"))
	}
	if _, err := remote.Get(ref); !refusedAs(err, http.StatusUnauthorized, "") {
		t.Errorf("without a token: %v", err)
	}
	img := must(remote.Image(ref, c.login()))
	other := must(name.ParseReference(c.Host() + "/team/two:x"))
	if err := remote.Write(other, img, c.login()); !refusedAs(err, http.StatusNotFound, transport.NameUnknownErrorCode) {
		t.Errorf("into no repository: %v", err)
	}
	if _, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: awssdk.String("team/two"), ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
		t.Fatal(err)
	}

	// The layers are mounted from the other repository: none is uploaded.
	layers := must(img.Layers())
	if _, err := remote.Layer(other.Context().Digest(must(layers[0].Digest()).String()), c.login()); err != nil {
		t.Fatal(err)
	}
	head := func(repository string) int {
		r := must(http.NewRequest(http.MethodHead, "http://"+c.Host()+"/v2/"+repository+"/blobs/"+must(layers[0].Digest()).String(), nil))
		token := must(client.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{}))
		r.Header.Set("Authorization", "Basic "+awssdk.ToString(token.AuthorizationData[0].AuthorizationToken))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if got := head("team/two"); got != http.StatusNotFound {
		t.Errorf("a layer of another repository: %d", got)
	}
	if err := remote.Write(other, img, c.login()); err != nil {
		t.Fatal(err)
	}
	if got := head("team/two"); got != http.StatusOK {
		t.Errorf("a layer that was mounted: %d", got)
	}

	// A tag of that repository stays where it is; one of the first leaves its image behind, untagged.
	changed := must(mutate.Config(img, must(img.ConfigFile()).Config))
	config := must(changed.ConfigFile()).Config
	config.Env = append(config.Env, "X=1")
	changed = must(mutate.Config(img, config))
	if err := remote.Write(other, changed, c.login()); !refusedAs(err, http.StatusBadRequest, transport.TagInvalidErrorCode) {
		t.Errorf("another image under an immutable tag: %v", err)
	}
	if err := remote.Write(ref, changed, c.login()); err != nil {
		t.Fatal(err)
	}
	c.close()
	c.open()
	images := must(client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: awssdk.String("team/one")})).ImageDetails
	if len(images) != 2 {
		t.Fatalf("%+v", images)
	}
	for _, i := range images {
		want := []string{"latest"}
		if awssdk.ToString(i.ImageDigest) == must(img.Digest()).String() {
			want = nil
		}
		if !slices.Equal(i.ImageTags, want) || awssdk.ToInt64(i.ImageSizeInBytes) < must(layers[0].Size()) || i.ImagePushedAt == nil {
			t.Errorf("%+v", i)
		}
	}
	gone := must(client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: awssdk.String("team/one"), ImageIds: []types.ImageIdentifier{{ImageDigest: awssdk.String(must(img.Digest()).String())}, {ImageTag: awssdk.String("no")}}}))
	if len(gone.ImageIds) != 1 || len(gone.Failures) != 1 || gone.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("%+v", gone)
	}
	if _, err := remote.Get(ref.Context().Digest(must(img.Digest()).String()), c.login()); !refusedAs(err, http.StatusNotFound, "") {
		t.Errorf("an image that was deleted: %v", err)
	}
	got := must(client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: awssdk.String("team/one"), ImageIds: []types.ImageIdentifier{{ImageTag: awssdk.String("latest")}}}))
	if len(got.Images) != 1 || awssdk.ToString(got.Images[0].ImageManifest) != string(must(changed.RawManifest())) {
		t.Errorf("%+v", got)
	}

	c.faults(faults.Rule{Kind: faults.Expire, Service: "ecr", Operation: "registry"})
	if _, err := remote.Get(ref, c.login()); !refusedAs(err, http.StatusForbidden, transport.DeniedErrorCode) {
		t.Errorf("with a token that has expired: %v", err)
	}
}
