package dockerapi

import (
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
)

// version is an API version 1.x, by its x: 1.51 is 51.
type version int

// The versions that are spoken. 1.52 drops fields that clients of today still read, and 1.53 makes them try gRPC first.
const (
	minVersion version = 24
	maxVersion version = 51
)

func (v version) String() string { return "1." + strconv.Itoa(int(v)) }

// tooOldError is answered in plain text, as dockerd answers clients that are older than its JSON errors.
type tooOldError struct{ message string }

func (e *tooOldError) Error() string   { return e.message }
func (*tooOldError) InvalidParameter() {}

// cutVersion takes the version off a path as it was sent: "/v1.40/info" is "/info" for 1.40, "/info" is for the newest.
func cutVersion(path string) (version, string, error) {
	if len(path) < 3 || path[1] != 'v' || path[2] < '0' || path[2] > '9' {
		return maxVersion, path, nil
	}
	text, rest, ok := strings.Cut(path[2:], "/")
	if !ok || strings.Trim(text, "0123456789.") != "" {
		return maxVersion, path, nil
	}
	v, err := parseVersion(text)
	return v, path[2+len(text):][:1+len(rest)], err
}

// parseVersion reads "1.40". The texts are dockerd's: people and programs read them.
func parseVersion(text string) (version, error) {
	major, minor, _ := strings.Cut(text, ".")
	minor, patch, _ := strings.Cut(minor, ".")
	x, errMajor := strconv.Atoi(major)
	y, errMinor := strconv.Atoi(minor)
	if minor == "" {
		y, errMinor = 0, nil
	}
	switch {
	case errMajor == nil && errMinor == nil && (x < 1 || x == 1 && version(y) < minVersion):
		return 0, &tooOldError{"client version " + text + " is too old. Minimum supported API version is " + minVersion.String() +
			", please upgrade your client to a newer version"}
	case errMajor != nil || errMinor != nil || x > 1 || version(y) > maxVersion || version(y) == maxVersion && strings.Trim(patch, "0.") != "":
		return 0, errdefs.ErrInvalidArgument.WithMessage("client version " + text + " is too new. Maximum supported API version is " + maxVersion.String())
	}
	return version(y), nil
}
