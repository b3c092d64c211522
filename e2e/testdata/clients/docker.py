# What docker-py, Docker's client for Python, offers, each step with what it saw.
import io, socket, sys, tarfile
sys.path.insert(0, sys.argv[1])
import docker

client = docker.from_env()
print("ping", client.ping(), client.version()["ApiVersion"], client.info()["OSType"])
print("run", client.containers.run("sockerless/base", ["echo", "from run"], remove=True))
try:
    client.containers.run("sockerless/base", ["sh", "-c", "echo broken >&2; exit 3"], remove=True)
except docker.errors.ContainerError as e:
    print("fails", e.exit_status, e.stderr)
c = client.containers.run("sockerless/base", ["sleep", "1000"], detach=True, name="py-one", labels={"a": "b"}, ports={"80/tcp": None})
print("status", c.status, [x.name for x in client.containers.list(filters={"label": "a=b"})])
print("exec", c.exec_run(["sh", "-c", "echo out; echo err >&2; exit 4"], demux=True))
print("stream", b"".join(c.exec_run("echo streamed", stream=True).output))
_, sock = c.exec_run("cat", stdin=True, socket=True)
sock._sock.sendall(b"typed")
sock._sock.shutdown(socket.SHUT_WR)
print("socket", sock.read()[8:])
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as t:
    info = tarfile.TarInfo("f")
    info.size = 2
    t.addfile(info, io.BytesIO(b"hi"))
print("put", c.put_archive("/opt", tar.getvalue()), c.exec_run("cat /opt/f").output)
bits, stat = c.get_archive("/opt/f")
print("get", stat["size"], tarfile.open(fileobj=io.BytesIO(b"".join(bits))).extractfile("f").read())
print("diff", [x["Path"] for x in c.diff()])
print("top", len(c.top()["Processes"]), "stats", c.stats(stream=False)["pids_stats"]["current"])
c.pause(); c.reload(); print("pause", c.status); c.unpause()
c.rename("py-two"); c.update(restart_policy={"Name": "no"}); c.reload()
print("rename", c.name, c.attrs["HostConfig"]["RestartPolicy"]["Name"], len(c.ports["80/tcp"]) > 0)
print("logs", c.logs(), "kill"); c.kill(); print("wait", c.wait()["StatusCode"])
c.start(); c.restart(timeout=0); c.stop(timeout=0); c.remove(v=True)
n = client.networks.create("py-network", driver="bridge", labels={"a": "b"})
v = client.volumes.create("py-volume", labels={"a": "b"})
d = client.containers.create("sockerless/base", "true", network="py-network", volumes={"py-volume": {"bind": "/v", "mode": "rw"}})
print("networks", [x.name for x in client.networks.list(filters={"label": "a=b"})], "volumes", [x.name for x in client.volumes.list()])
n.disconnect(d); n.connect(d, aliases=["x"]); d.remove(); n.remove(); v.remove()
print("images", [t for i in client.images.list() for t in i.tags], client.images.get("sockerless/base").attrs["Os"])
print("prune", client.containers.prune()["SpaceReclaimed"], client.volumes.prune()["SpaceReclaimed"], client.networks.prune()["NetworksDeleted"])
for e in client.events(since=1, until=int(__import__("time").time()) + 1, decode=True, filters={"event": "create", "type": "network"}):
    print("event", e["Action"], e["Actor"]["Attributes"]["name"])
    break
try:
    client.containers.get("nosuch")
except docker.errors.NotFound as e:
    print("error", e.explanation)
