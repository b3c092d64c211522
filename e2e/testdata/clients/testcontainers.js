// What the library testcontainers offers for Node, each step with what it saw.
const { GenericContainer, Network, Wait } = require("testcontainers");
const image = "sockerless/base";
const answering = ["sh", "-c", "while :; do printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok' | nc -l -N -p 8080; done"];
const idle = ["sleep", "1000"];

async function main() {
  const step = (name, ...seen) => console.log(name, ...seen);
  let c = await new GenericContainer(image).withCommand(["sh", "-c", "echo ready; exec sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage("ready")).start();
  const ran = await c.exec(["sh", "-c", "echo out; echo err >&2; exit 4"]);
  step("log", ran.exitCode, JSON.stringify(ran.stdout), JSON.stringify(ran.stderr));
  await c.stop();

  c = await new GenericContainer(image).withExposedPorts(8080).withCommand(answering).withWaitStrategy(Wait.forListeningPorts()).start();
  step("port", c.getMappedPort(8080) > 0);
  await c.stop();

  c = await new GenericContainer(image).withExposedPorts(8080).withCommand(answering).withWaitStrategy(Wait.forHttp("/", 8080)).start();
  step("http");
  await c.stop();

  c = await new GenericContainer(image).withCommand(idle).withWaitStrategy(Wait.forHealthCheck())
    .withHealthCheck({ test: ["CMD-SHELL", "true"], interval: 100, timeout: 10000, retries: 3, startPeriod: 0 }).start();
  step("health");
  await c.stop();

  c = await new GenericContainer(image).withCommand(["sh", "-c", "touch /ready; exec sleep 1000"])
    .withWaitStrategy(Wait.forSuccessfulCommand("test -e /ready")).start();
  step("command");
  await c.stop();

  c = await new GenericContainer(image).withCommand(["true"]).withWaitStrategy(Wait.forOneShotStartup()).start();
  step("one shot");
  await c.stop();

  const network = await new Network().start();
  const server = await new GenericContainer(image).withNetwork(network).withNetworkAliases("server").withExposedPorts(8080)
    .withCommand(answering).start();
  c = await new GenericContainer(image).withNetwork(network).withCommand(idle).start();
  step("network", (await c.exec(["sh", "-c", "until curl -s http://server:8080/; do :; done"])).output);
  await c.stop();
  await server.stop();
  await network.stop();

  c = await new GenericContainer(image).withCommand(idle).withUser("1000").withEnvironment({ A: "b" }).withTmpFs({ "/scratch": "rw" })
    .withCopyContentToContainer([{ content: "hello", target: "/opt/f" }]).start();
  await c.copyContentToContainer([{ content: "later", target: "/opt/g", mode: 0o640 }]);
  step("copy", (await c.exec(["sh", "-c", "cat /opt/f; id -u; echo $A; stat -c %a /opt/g"])).output.split("\n").join(" "));
  let size = 0;
  for await (const chunk of await c.copyArchiveFromContainer("/opt/f")) size += chunk.length;
  step("archive", size);
  await c.restart({ timeout: 0 });
  step("restart", (await c.exec(["cat", "/opt/f"])).output);
  await c.stop();

  const reused = () => new GenericContainer(image).withCommand(idle).withReuse().start();
  c = await reused();
  step("reuse", (await reused()).getId() === c.getId());
  await c.stop();
}
main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
