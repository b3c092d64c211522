//go:build linux

package aws_test

import "testing"

// TestFileSystemsCLI makes a file system with a mount target and an access point, finds them after a restart, and removes them.
func TestFileSystemsCLI(t *testing.T) {
	c := newCloud(t)
	subnet := c.ask("ec2 describe-subnets --query Subnets[0].SubnetId")
	group := c.ask("ec2 describe-security-groups --query SecurityGroups[0].GroupId")
	system := c.ask("efs create-file-system --creation-token once --tags Key=Name,Value=data --query FileSystemId")
	c.refused("FileSystemAlreadyExists", "efs create-file-system --creation-token once")
	target := c.ask("efs create-mount-target --query MountTargetId --file-system-id " + system + " --subnet-id " + subnet + " --security-groups " + group)
	c.refused("MountTargetConflict", "efs create-mount-target --file-system-id "+system+" --subnet-id "+subnet)
	point := c.ask("efs create-access-point --query AccessPointId --posix-user Uid=1,Gid=2 --root-directory Path=/a --file-system-id " + system)
	c.ask("efs tag-resource --tags Key=k,Value=v --resource-id " + point)
	c.close()
	c.open()
	c.equal("file system", c.ask("efs describe-file-systems --creation-token once --query FileSystems[].[FileSystemId,Name,NumberOfMountTargets]"), system+"\tdata\t1")
	c.equal("groups", c.ask("efs describe-mount-target-security-groups --query SecurityGroups --mount-target-id "+target), group)
	c.equal("access point", c.ask("efs describe-access-points --query AccessPoints[].[AccessPointId,PosixUser.Uid,RootDirectory.Path] --file-system-id "+system), point+"\t1\t/a")
	c.equal("tags", c.ask("efs list-tags-for-resource --query Tags[].Key --resource-id "+point), "k")
	c.refused("PolicyNotFound", "efs describe-file-system-policy --file-system-id "+system)
	c.refused("FileSystemInUse", "efs delete-file-system --file-system-id "+system)
	c.ask("efs delete-access-point --access-point-id " + point)
	c.ask("efs delete-mount-target --mount-target-id " + target)
	c.equal("interfaces", c.ask("ec2 describe-network-interfaces --query length(NetworkInterfaces)"), "0")
	c.ask("efs delete-file-system --file-system-id " + system)
	c.refused("FileSystemNotFound", "efs describe-file-systems --file-system-id "+system)
}
