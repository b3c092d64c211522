package efs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/aws/ec2"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	Dir     string // of the file systems
	State   state.Store
	Now     func() time.Time
	Network Network
}

// Network is where mount targets are.
type Network interface {
	Attach(ctx context.Context, a ec2.Attachment) (ec2.Interface, error)
	Detach(ctx context.Context, region, owner string) error
	// Admit tells why a connection is dropped.
	Admit(c runtime.Connection) error
}

type fileSystem struct {
	types.FileSystemDescription
	Region    string
	Lifecycle []types.LifecyclePolicy
	Policy    string
	Backup    types.Status
}

type mountTarget struct {
	types.MountTargetDescription
	Region string
	Groups []string
}

type accessPoint struct {
	types.AccessPointDescription
	Region string
}

// EFS is the service.
type EFS struct {
	config  Config
	mu      sync.Mutex // of whoever changes something
	systems *table.Table[fileSystem]
	targets *table.Table[mountTarget]
	points  *table.Table[accessPoint]
}

// Open finds the file systems of an earlier simulator.
func Open(config Config) (e *EFS, err error) {
	e = &EFS{config: config}
	if e.systems, err = table.Open[fileSystem](config.State, "efs/system/"); err != nil {
		return nil, err
	}
	if e.targets, err = table.Open[mountTarget](config.State, "efs/target/"); err != nil {
		return nil, err
	}
	e.points, err = table.Open[accessPoint](config.State, "efs/point/")
	return e, err
}

// port is that of NFS.
const port = 2049

// Mount is the folder of this machine that a file system, an access point or a folder of it is, for who is at an interface: where a
// mount target is in its network, and lets it in.
func (e *EFS) Mount(at ec2.Interface, fileSystemID, accessPointID, root string) (string, error) {
	system, ok := e.systems.Get(fileSystemID)
	if !ok {
		return "", noSystem(fileSystemID)
	}
	targets := e.targets.All()
	i := slices.IndexFunc(targets, func(t mountTarget) bool {
		return equal(t.FileSystemId, &fileSystemID) && aws.ToString(t.VpcId) == at.VPC
	})
	if i < 0 {
		return "", fmt.Errorf("resolve %q: check that your file system ID is correct, and ensure that the VPC has an EFS mount target for this file system ID",
			fileSystemID+".efs."+system.Region+".amazonaws.com")
	}
	to := netip.MustParseAddr(*targets[i].IpAddress)
	err := e.config.Network.Admit(runtime.Connection{Network: at.Network, From: netip.MustParseAddr(at.Address), Proto: "tcp", To: netip.AddrPortFrom(to, port), Inside: true})
	if err != nil {
		return "", fmt.Errorf("mount.nfs4: Connection timed out: %w", err)
	}
	dir, err := e.folder(fileSystemID, accessPointID)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, filepath.Join("/", root))
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("mount.nfs4: mounting %s failed, reason given by server: No such file or directory", root)
	}
	return dir, nil
}

// folder is where a file system is, or the folder of it that an access point shows, which is made as that says.
func (e *EFS) folder(fileSystemID, accessPointID string) (string, error) {
	dir := filepath.Join(e.config.Dir, fileSystemID)
	if accessPointID == "" {
		return dir, nil
	}
	p, ok := e.points.Get(accessPointID)
	if !ok || aws.ToString(p.FileSystemId) != fileSystemID {
		return "", noPoint(accessPointID)
	}
	if p.RootDirectory == nil {
		return dir, nil
	}
	dir = filepath.Join(dir, filepath.Join("/", aws.ToString(p.RootDirectory.Path)))
	info := p.RootDirectory.CreationInfo
	if _, err := os.Stat(dir); err == nil || info == nil {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var mode os.FileMode
	if _, err := fmt.Sscanf(aws.ToString(info.Permissions), "%o", &mode); err != nil {
		return "", fmt.Errorf("permissions %q of access point %s: %w", aws.ToString(info.Permissions), accessPointID, err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return "", err
	}
	return dir, os.Chown(dir, int(aws.ToInt64(info.OwnerUid)), int(aws.ToInt64(info.OwnerGid)))
}

const version = "/2015-02-01"

// Service is what it can do.
func (e *EFS) Service() *wire.Service {
	route := func(method, path string, status int) wire.Route {
		return wire.Route{Method: method, Path: version + path, Status: status, Query: map[string]string{"tagKeys": "TagKeys"}}
	}
	return &wire.Service{
		Name: "elasticfilesystem",
		Protocol: wire.PlainREST(map[string]wire.Route{
			"CreateFileSystem": route("POST", "/file-systems", http.StatusCreated), "DescribeFileSystems": route("GET", "/file-systems", 0),
			"DeleteFileSystem":                  route("DELETE", "/file-systems/{FileSystemId}", http.StatusNoContent),
			"DescribeLifecycleConfiguration":    route("GET", "/file-systems/{FileSystemId}/lifecycle-configuration", 0),
			"PutLifecycleConfiguration":         route("PUT", "/file-systems/{FileSystemId}/lifecycle-configuration", 0),
			"DescribeFileSystemPolicy":          route("GET", "/file-systems/{FileSystemId}/policy", 0),
			"PutFileSystemPolicy":               route("PUT", "/file-systems/{FileSystemId}/policy", 0),
			"DescribeBackupPolicy":              route("GET", "/file-systems/{FileSystemId}/backup-policy", 0),
			"CreateMountTarget":                 route("POST", "/mount-targets", 0),
			"DescribeMountTargets":              route("GET", "/mount-targets", 0),
			"DeleteMountTarget":                 route("DELETE", "/mount-targets/{MountTargetId}", http.StatusNoContent),
			"DescribeMountTargetSecurityGroups": route("GET", "/mount-targets/{MountTargetId}/security-groups", 0),
			"CreateAccessPoint":                 route("POST", "/access-points", 0),
			"DescribeAccessPoints":              route("GET", "/access-points", 0),
			"DeleteAccessPoint":                 route("DELETE", "/access-points/{AccessPointId}", http.StatusNoContent),
			"ListTagsForResource":               route("GET", "/resource-tags/{ResourceId}", 0),
			"TagResource":                       route("POST", "/resource-tags/{ResourceId}", 0),
			"UntagResource":                     route("DELETE", "/resource-tags/{ResourceId}", 0),
		}),
		Operations: map[string]wire.Operation{
			"CreateFileSystem": wire.Op(e.createFileSystem), "DescribeFileSystems": wire.Op(e.describeFileSystems), "DeleteFileSystem": wire.Op(e.deleteFileSystem),
			"DescribeLifecycleConfiguration": wire.Op(e.describeLifecycle), "PutLifecycleConfiguration": wire.Op(e.putLifecycle),
			"DescribeFileSystemPolicy": wire.Op(e.describePolicy), "PutFileSystemPolicy": wire.Op(e.putPolicy), "DescribeBackupPolicy": wire.Op(e.describeBackupPolicy),
			"CreateMountTarget": wire.Op(e.createMountTarget), "DescribeMountTargets": wire.Op(e.describeMountTargets), "DeleteMountTarget": wire.Op(e.deleteMountTarget),
			"DescribeMountTargetSecurityGroups": wire.Op(e.describeMountTargetSecurityGroups),
			"CreateAccessPoint":                 wire.Op(e.createAccessPoint), "DescribeAccessPoints": wire.Op(e.describeAccessPoints), "DeleteAccessPoint": wire.Op(e.deleteAccessPoint),
			"ListTagsForResource": wire.Op(e.listTags), "TagResource": wire.Op(e.tagResource), "UntagResource": wire.Op(e.untagResource),
		},
	}
}

func newID(prefix string) string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + "-" + hex.EncodeToString(random[:])[:17]
}

func failure(status int, code, format string, args ...any) error {
	return &wire.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func noSystem(id string) error {
	return failure(http.StatusNotFound, "FileSystemNotFound", "File system '%s' does not exist.", id)
}

func noPoint(id string) error {
	return failure(http.StatusNotFound, "AccessPointNotFound", "Access point '%s' does not exist.", id)
}

func noTarget(id string) error {
	return failure(http.StatusNotFound, "MountTargetNotFound", "Mount target '%s' does not exist.", id)
}

func (e *EFS) system(c *wire.Call, id *string) (fileSystem, error) {
	s, ok := e.systems.Get(aws.ToString(id))
	if !ok || s.Region != c.Region {
		return s, noSystem(aws.ToString(id))
	}
	for _, t := range e.targets.All() {
		if equal(t.FileSystemId, id) {
			s.NumberOfMountTargets++
		}
	}
	return s, nil
}

func equal(a, b *string) bool { return aws.ToString(a) == aws.ToString(b) }

func name(tags []types.Tag) *string {
	for _, t := range tags {
		if aws.ToString(t.Key) == "Name" {
			return t.Value
		}
	}
	return nil
}

func (e *EFS) arn(region, kind, id string) *string {
	return aws.String(fmt.Sprintf("arn:aws:elasticfilesystem:%s:%s:%s/%s", region, e.config.Account, kind, id))
}

func (e *EFS) createFileSystem(ctx context.Context, c *wire.Call, in *efs.CreateFileSystemInput) (*types.FileSystemDescription, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.systems.All() {
		if s.Region == c.Region && equal(s.CreationToken, in.CreationToken) {
			return nil, &wire.Error{Status: http.StatusConflict, Code: "FileSystemAlreadyExists", Message: fmt.Sprintf("File system '%s' already exists with creation token '%s'", *s.FileSystemId, aws.ToString(in.CreationToken)),
				Fields: map[string]any{"FileSystemId": *s.FileSystemId}}
		}
	}
	id := newID("fs")
	s := fileSystem{Region: c.Region, Backup: types.StatusDisabled, FileSystemDescription: types.FileSystemDescription{
		FileSystemId: &id, FileSystemArn: e.arn(c.Region, "file-system", id), CreationToken: in.CreationToken, CreationTime: aws.Time(e.config.Now()), OwnerId: &e.config.Account,
		LifeCycleState: types.LifeCycleStateAvailable, PerformanceMode: in.PerformanceMode, ThroughputMode: in.ThroughputMode, Encrypted: aws.Bool(aws.ToBool(in.Encrypted)),
		ProvisionedThroughputInMibps: in.ProvisionedThroughputInMibps, Tags: append([]types.Tag{}, in.Tags...), Name: name(in.Tags), SizeInBytes: &types.FileSystemSize{Value: 6144},
		FileSystemProtection: &types.FileSystemProtectionDescription{ReplicationOverwriteProtection: types.ReplicationOverwriteProtectionEnabled},
	}}
	if s.PerformanceMode == "" {
		s.PerformanceMode = types.PerformanceModeGeneralPurpose
	}
	if s.ThroughputMode == "" {
		s.ThroughputMode = types.ThroughputModeBursting
	}
	if aws.ToBool(in.Backup) {
		s.Backup = types.StatusEnabled
	}
	if err := os.MkdirAll(filepath.Join(e.config.Dir, id), 0o755); err != nil {
		return nil, err
	}
	return &s.FileSystemDescription, e.systems.Put(ctx, id, s)
}

func (e *EFS) describeFileSystems(_ context.Context, c *wire.Call, in *efs.DescribeFileSystemsInput) (*efs.DescribeFileSystemsOutput, error) {
	list := []types.FileSystemDescription{}
	for _, s := range e.systems.All() {
		if s.Region == c.Region && (in.FileSystemId == nil || equal(s.FileSystemId, in.FileSystemId)) && (in.CreationToken == nil || equal(s.CreationToken, in.CreationToken)) {
			s, _ = e.system(c, s.FileSystemId)
			list = append(list, s.FileSystemDescription)
		}
	}
	if in.FileSystemId != nil && len(list) == 0 {
		return nil, noSystem(*in.FileSystemId)
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &efs.DescribeFileSystemsOutput{FileSystems: page, NextMarker: next, Marker: in.Marker}, err
}

func (e *EFS) deleteFileSystem(ctx context.Context, c *wire.Call, in *efs.DeleteFileSystemInput) (*efs.DeleteFileSystemOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.system(c, in.FileSystemId)
	if err != nil {
		return nil, err
	}
	points := slices.ContainsFunc(e.points.All(), func(p accessPoint) bool { return equal(p.FileSystemId, in.FileSystemId) })
	if s.NumberOfMountTargets > 0 || points {
		return nil, failure(http.StatusConflict, "FileSystemInUse", "File system '%s' has mount targets or access points", *s.FileSystemId)
	}
	if err := e.systems.Delete(ctx, *s.FileSystemId); err != nil {
		return nil, err
	}
	return &efs.DeleteFileSystemOutput{}, os.RemoveAll(filepath.Join(e.config.Dir, *s.FileSystemId))
}

func (e *EFS) describeLifecycle(_ context.Context, c *wire.Call, in *efs.DescribeLifecycleConfigurationInput) (*efs.DescribeLifecycleConfigurationOutput, error) {
	s, err := e.system(c, in.FileSystemId)
	return &efs.DescribeLifecycleConfigurationOutput{LifecyclePolicies: append([]types.LifecyclePolicy{}, s.Lifecycle...)}, err
}

func (e *EFS) change(ctx context.Context, c *wire.Call, id *string, f func(*fileSystem)) error {
	if _, err := e.system(c, id); err != nil {
		return err
	}
	_, err := e.systems.Update(ctx, *id, func(s fileSystem, _ bool) (fileSystem, error) {
		f(&s)
		return s, nil
	})
	return err
}

func (e *EFS) putLifecycle(ctx context.Context, c *wire.Call, in *efs.PutLifecycleConfigurationInput) (*efs.PutLifecycleConfigurationOutput, error) {
	err := e.change(ctx, c, in.FileSystemId, func(s *fileSystem) { s.Lifecycle = in.LifecyclePolicies })
	return &efs.PutLifecycleConfigurationOutput{LifecyclePolicies: in.LifecyclePolicies}, err
}

func (e *EFS) describePolicy(_ context.Context, c *wire.Call, in *efs.DescribeFileSystemPolicyInput) (*efs.DescribeFileSystemPolicyOutput, error) {
	s, err := e.system(c, in.FileSystemId)
	if err == nil && s.Policy == "" {
		err = failure(http.StatusNotFound, "PolicyNotFound", "File system '%s' has no policy.", *s.FileSystemId)
	}
	return &efs.DescribeFileSystemPolicyOutput{FileSystemId: in.FileSystemId, Policy: &s.Policy}, err
}

func (e *EFS) putPolicy(ctx context.Context, c *wire.Call, in *efs.PutFileSystemPolicyInput) (*efs.PutFileSystemPolicyOutput, error) {
	err := e.change(ctx, c, in.FileSystemId, func(s *fileSystem) { s.Policy = aws.ToString(in.Policy) })
	return &efs.PutFileSystemPolicyOutput{FileSystemId: in.FileSystemId, Policy: in.Policy}, err
}

func (e *EFS) describeBackupPolicy(_ context.Context, c *wire.Call, in *efs.DescribeBackupPolicyInput) (*efs.DescribeBackupPolicyOutput, error) {
	s, err := e.system(c, in.FileSystemId)
	return &efs.DescribeBackupPolicyOutput{BackupPolicy: &types.BackupPolicy{Status: s.Backup}}, err
}
