// What dockerode, Docker's client for Node, offers, each step with what it saw.
const Docker = require("dockerode");
const { PassThrough } = require("stream");
const { once } = require("events");
const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
const step = (name, ...seen) => console.log(name, ...seen);
const text = async (stream) => { let s = ""; for await (const part of stream) s += part; return s; };
const ended = (stream) => new Promise((done) => stream.on("end", done).on("close", done));

async function main() {
  step("ping", (await docker.ping()).toString());
  step("version", (await docker.version()).ApiVersion, (await docker.info()).OSType);
  const out = new PassThrough();
  const [status, ran] = await docker.run("sockerless/base", ["sh", "-c", "echo from run"], out, { HostConfig: { AutoRemove: false } });
  if (!out.readableLength) await once(out, "readable");
  step("run", status.StatusCode, out.read().toString().trim());
  await ran.remove();

  const c = await docker.createContainer({ Image: "sockerless/base", name: "node-one", Cmd: ["cat"], OpenStdin: true, StdinOnce: true, Labels: { a: "b" } });
  const attached = await c.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const over = ended(attached);
  const stdout = new PassThrough(), stderr = new PassThrough();
  docker.modem.demuxStream(attached, stdout, stderr);
  await c.start();
  attached.end("typed\n");
  step("wait", (await c.wait()).StatusCode);
  await over;
  step("attach", stdout.read().toString().trim());
  step("logs", JSON.stringify((await c.logs({ stdout: true })).subarray(8).toString()));
  step("inspect", (await c.inspect()).State.Status, (await docker.listContainers({ all: true, filters: { label: ["a=b"] } })).length);
  await c.rename({ name: "node-two" });
  await c.remove();

  const d = await docker.createContainer({ Image: "sockerless/base", Cmd: ["sleep", "1000"] });
  await d.start();
  const exec = await d.exec({ Cmd: ["sh", "-c", "cat; exit 3"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  const execOut = new PassThrough();
  docker.modem.demuxStream(stream, execOut, execOut);
  stream.end("into exec");
  await ended(stream);
  step("exec", execOut.read().toString(), (await exec.inspect()).ExitCode);
  step("top", (await d.top()).Processes.length, "stats", (await d.stats({ stream: false })).pids_stats.current);
  await d.pause();
  await d.unpause();
  await d.update({ RestartPolicy: { Name: "no" } });
  await d.resize({ h: 10, w: 10 }).catch((e) => step("resize", e.statusCode));
  step("archive", (await text(await d.getArchive({ path: "/etc/hostname" }))).length % 512);
  step("changes", Array.isArray(await d.changes()));
  await d.kill();
  await d.wait();
  await d.remove({ v: true });

  const v = await docker.createVolume({ Name: "node-volume" });
  const n = await docker.createNetwork({ Name: "node-network" });
  step("volume", (await docker.getVolume("node-volume").inspect()).Name, "network", (await n.inspect()).Name);
  const e = await docker.createContainer({ Image: "sockerless/base", Cmd: ["true"] });
  await n.connect({ Container: e.id });
  await n.disconnect({ Container: e.id });
  await e.remove();
  await n.remove();
  await docker.getVolume("node-volume").remove();
  step("prune", (await docker.pruneContainers()).SpaceReclaimed, (await docker.pruneVolumes()).SpaceReclaimed);
  step("images", (await docker.listImages()).length, (await docker.getImage("sockerless/base").inspect()).RepoTags[0]);
  const events = await docker.getEvents({ since: 1, until: Math.ceil(Date.now() / 1000), filters: { event: ["destroy"], type: ["network"] } });
  step("events", JSON.parse((await text(events)).split("\n")[0]).Action);
  await docker.getContainer("nosuch").inspect().catch((err) => step("error", err.statusCode, err.json.message));
}
main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
