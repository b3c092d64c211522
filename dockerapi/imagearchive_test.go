package dockerapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"

	"github.com/sockerless/sockerless/runtime"
)

// archives is an engine that says what it was asked, and fails after that if fail is in what it was sent.
type archives struct{ Engine }

func failed(s string) error {
	if strings.Contains(s, "fail") {
		return errdefs.ErrNotFound.WithMessage("it failed")
	}
	return nil
}

func (archives) ImageSave(_ context.Context, w io.Writer, names []string, platform string) error {
	if err := failed(strings.Join(names, " ")); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, names, platform)
	return err
}

type loaded struct{ archive, platform string }

func (archives) ImageLoad(_ context.Context, archive io.Reader, platform string) (Loading, error) {
	data, err := io.ReadAll(archive)
	if err == nil && bytes.HasPrefix(data, []byte("garbage")) {
		err = errors.New("no archive")
	}
	return loaded{string(data), platform}, err
}

func (l loaded) Run(_ context.Context, quiet bool, progress func(jsonstream.Message)) error {
	progress(jsonstream.Message{Stream: fmt.Sprint(l.archive, l.platform, quiet, "\n")})
	return failed(l.archive)
}

func (loaded) Close() error { return nil }

func (archives) ImageImport(_ context.Context, o runtime.ImportOptions) error {
	tar := ""
	if o.Tar != nil {
		data, err := io.ReadAll(o.Tar)
		if err != nil {
			return err
		}
		tar = string(data)
	}
	if err := failed(tar + o.Source); err != nil {
		return err
	}
	o.Progress(jsonstream.Message{Status: fmt.Sprint(o.Source, "|", tar, "|", o.Repository, ":", o.Tag, "|", o.Platform, "|", o.Message, "|", strings.Join(o.Changes, ","))})
	return nil
}

func (archives) ImagePush(_ context.Context, o runtime.PushOptions) error {
	if err := failed(o.Platform); err != nil {
		return err
	}
	o.Progress(jsonstream.Message{Status: o.Reference + "|" + o.Platform + "|" + o.Auth.Username})
	return failed(o.Reference)
}

func (archives) ContainerCommit(_ context.Context, o runtime.CommitOptions) (string, error) {
	user := "none"
	if o.Config != nil {
		user = o.Config.User
	}
	return fmt.Sprint(o.Container, "|", o.Repository, ":", o.Tag, "|", o.Author, "|", o.Comment, "|", o.Pause, "|", o.Changes, "|", user), failed(o.Container)
}

func (archives) DistributionInspect(_ context.Context, ref string, auth *registry.AuthConfig) (registry.DistributionInspect, error) {
	var d registry.DistributionInspect
	d.Descriptor.MediaType = ref + " " + auth.Username
	return d, failed(ref)
}

func (archives) ImageSearch(_ context.Context, o runtime.SearchOptions) ([]registry.SearchResult, error) {
	return []registry.SearchResult{{Name: fmt.Sprint(o.Term, o.Limit, o.Filters["stars"])}}, failed(o.Term)
}

const arm = `{"os":"linux","architecture":"arm","variant":"v7"}`

func TestImagesInAndOut(t *testing.T) {
	path := socket(t, archives{})
	const missing = `{"message":"it failed"}` + "\n"
	for _, test := range []struct {
		line, body string
		status     int
		answer     string
	}{
		{"GET /v1.51/images/a/b:c/get", "", 200, "[a/b:c]"},
		{"GET /v1.51/images/get?names=a&names=b&platform=" + arm, "", 200, "[a b]linux/arm/v7"},
		{"GET /v1.47/images/get?names=a&platform=x", "", 200, "[a]"},
		{"GET /images/fail/get", "", 404, missing},
		{"POST /v1.51/images/load?quiet=0&platform=" + arm, "tar", 200, `{"stream":"tarlinux/arm/v7false\n"}` + "\r\n"},
		{"POST /v1.47/images/load?platform=x", "tar", 200, `{"stream":"tartrue\n"}` + "\r\n"},
		{"POST /images/load", "garbage", 200, `{"errorDetail":{"message":"no archive"},"error":"no archive"}` + "\r\n"},
		{"POST /images/load", "fail", 200, `{"stream":"failtrue\n"}` + "\r\n" + `{"errorDetail":{"message":"it failed"},"error":"it failed"}` + "\r\n"},
		{"POST /images/create?fromSrc=-&repo=r&tag=t&message=m&changes=ENV%20a=b&changes=CMD%20x&platform=linux/arm", "tar", 200, `{"status":"-|tar|r:t|linux/arm|m|ENV a=b,CMD x"}` + "\r\n"},
		{"POST /v1.31/images/create?fromSrc=-&platform=linux/arm", "tar", 200, `{"status":"-|tar|:|||"}` + "\r\n"},
		{"POST /images/create?fromSrc=-", "fail", 404, missing},
		{"POST /images/create?fromSrc=http://x/y", "", 200, `{"status":"http://x/y||:|||"}` + "\r\n"},
		{"POST /images/create?fromSrc=http://fail/y", "", 404, missing},
		{"POST /v1.51/images/reg:5/a/push?tag=t&platform=" + arm, "", 200, `{"status":"reg:5/a:t|linux/arm/v7|me"}` + "\r\n"},
		{"POST /v1.45/images/a/push?platform=x", "", 200, `{"status":"docker.io/library/a||me"}` + "\r\n"},
		{"POST /images/fail/push?tag=t", "", 200, `{"status":"docker.io/library/fail:t||me"}` + "\r\n" + `{"errorDetail":{"message":"it failed"},"error":"it failed"}` + "\r\n"},
		{`POST /images/a/push?platform={"os":"fail","architecture":"x"}`, "", 404, missing},
		{"POST /commit?container=c&repo=r&tag=t&author=a&comment=m&changes=CMD%20x", "", 201, `{"Id":"c|r:t|a|m|true|[CMD x]|none"}` + "\n"},
		{"POST /commit?container=c&pause=0", `{"User":"u"}`, 201, `{"Id":"c|:|||false|[]|u"}` + "\n"},
		{"POST /commit?container=fail", "null", 404, missing},
		{"GET /distribution/reg/a:b/json", "", 200, `{"Descriptor":{"mediaType":"reg/a:b me","digest":"","size":0},"Platforms":null}` + "\n"},
		{"GET /v1.29/distribution/a/json", "", 400, `{"message":"GET /distribution/{name}/json requires API version 1.30, the client asks for 1.29"}` + "\n"},
		{`GET /images/search?term=t&limit=3&filters={"stars":["2"]}`, "", 200, `[{"star_count":0,"is_official":false,"name":"t3 map[2:true]","is_automated":false,"description":""}]` + "\n"},
	} {
		got := ask(t, path, test.line, test.body, "X-Registry-Auth: eyJ1c2VybmFtZSI6Im1lIn0=")
		if got.status != test.status || got.body != test.answer {
			t.Errorf("%s: %d %q\nwant %d %q", test.line, got.status, got.body, test.status, test.answer)
		}
	}
}
