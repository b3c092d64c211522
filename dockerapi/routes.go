package dockerapi

import (
	"net/http"
	"strconv"

	"github.com/containerd/errdefs"
)

// routes is the table of all endpoints, those of moby's swagger.yaml and those that only its router knows. What has no
// handler has the reason.
func routes() []route {
	table := []route{
		// System
		{method: "GET", path: "/_ping", serve: ping},
		{method: "HEAD", path: "/_ping", serve: ping},
		{method: "GET", path: "/version", serve: getVersion},
		{method: "GET", path: "/info", serve: info},
		{method: "POST", path: "/auth", serve: auth},
		{method: "GET", path: "/events", serve: streamEvents},
		{method: "GET", path: "/system/df", serve: diskUsage},

		// Backends, which Docker has not
		{method: "POST", path: "/backends/{name}/check", serve: checkBackend},

		// Images
		{method: "GET", path: "/images/json", serve: listImages},
		{method: "POST", path: "/images/create", serve: createImage},
		{method: "GET", path: "/images/search", serve: searchImages},
		{method: "POST", path: "/images/prune", serve: pruneImages},
		{method: "GET", path: "/images/get", serve: saveImages},
		{method: "POST", path: "/images/load", serve: loadImages},
		{method: "GET", path: "/images/{name}/json", serve: inspectImage},
		{method: "GET", path: "/images/{name}/history", serve: imageHistory},
		{method: "GET", path: "/images/{name}/get", serve: saveImage},
		{method: "GET", path: "/images/{name}/attestations", reason: "it came with API 1.55"},
		{method: "POST", path: "/images/{name}/push", serve: pushImage},
		{method: "POST", path: "/images/{name}/tag", serve: tagImage},
		{method: "DELETE", path: "/images/{name}", serve: removeImage},
		{method: "GET", path: "/distribution/{name}/json", since: 30, serve: inspectDistribution},
		{method: "POST", path: "/commit", serve: commitContainer},
		{method: "POST", path: "/build", reason: noBuild},
		{method: "POST", path: "/build/prune", since: 31, serve: pruneBuildCache},
		{method: "POST", path: "/build/cancel", since: 31, reason: noBuild},
		{method: "POST", path: "/session", since: 31, reason: noBuild},
		{method: "POST", path: "/grpc", since: 38, reason: noBuild},

		// Containers
		{method: "GET", path: "/containers/json", serve: listContainers},
		{method: "POST", path: "/containers/create", serve: createContainer},
		{method: "POST", path: "/containers/prune", since: 25, serve: pruneContainers},
		{method: "GET", path: "/containers/{name}/json", serve: inspectContainer},
		{method: "GET", path: "/containers/{name}/top", serve: top},
		{method: "GET", path: "/containers/{name}/logs", serve: logs},
		{method: "GET", path: "/containers/{name}/changes", serve: changes},
		{method: "GET", path: "/containers/{name}/export", serve: exportContainer},
		{method: "GET", path: "/containers/{name}/stats", serve: stats},
		{method: "GET", path: "/containers/{name}/attach/ws", reason: "attaching works by POST /containers/{name}/attach, not over a WebSocket"},
		{method: "HEAD", path: "/containers/{name}/archive", serve: statArchive},
		{method: "GET", path: "/containers/{name}/archive", serve: getArchive},
		{method: "PUT", path: "/containers/{name}/archive", serve: putArchive},
		{method: "POST", path: "/containers/{name}/start", serve: start},
		{method: "POST", path: "/containers/{name}/stop", serve: stop},
		{method: "POST", path: "/containers/{name}/restart", serve: restart},
		{method: "POST", path: "/containers/{name}/kill", serve: kill},
		{method: "POST", path: "/containers/{name}/pause", serve: pause},
		{method: "POST", path: "/containers/{name}/unpause", serve: unpause},
		{method: "POST", path: "/containers/{name}/resize", serve: resize},
		{method: "POST", path: "/containers/{name}/rename", serve: rename},
		{method: "POST", path: "/containers/{name}/wait", serve: wait},
		{method: "POST", path: "/containers/{name}/attach", serve: attach},
		{method: "POST", path: "/containers/{name}/exec", serve: createExec},
		{method: "POST", path: "/containers/{name}/update", serve: updateContainer},
		{method: "DELETE", path: "/containers/{name}", serve: removeContainer},

		// Exec
		{method: "GET", path: "/exec/{name}/json", serve: inspectExec},
		{method: "POST", path: "/exec/{name}/start", serve: startExec},
		{method: "POST", path: "/exec/{name}/resize", serve: resizeExec},

		// Networks
		{method: "GET", path: "/networks", serve: listNetworks},
		{method: "GET", path: "/networks/", serve: listNetworks},
		{method: "POST", path: "/networks/create", serve: createNetwork},
		{method: "POST", path: "/networks/prune", since: 25, serve: pruneNetworks},
		{method: "GET", path: "/networks/{name}", serve: inspectNetwork},
		{method: "DELETE", path: "/networks/{name}", serve: removeNetwork},
		{method: "POST", path: "/networks/{name}/connect", serve: connectNetwork},
		{method: "POST", path: "/networks/{name}/disconnect", serve: disconnectNetwork},

		// Volumes
		{method: "GET", path: "/volumes", serve: listVolumes},
		{method: "POST", path: "/volumes/create", serve: createVolume},
		{method: "POST", path: "/volumes/prune", since: 25, serve: pruneVolumes},
		{method: "GET", path: "/volumes/{name}", serve: inspectVolume},
		{method: "PUT", path: "/volumes/{name}", since: 42, serve: swarm},
		{method: "DELETE", path: "/volumes/{name}", serve: removeVolume},

		// Plugins
		{method: "GET", path: "/plugins", since: 25, serve: listPlugins},
		{method: "GET", path: "/plugins/privileges", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/pull", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/create", since: 25, reason: noPlugins},
		{method: "GET", path: "/plugins/{name}/json", since: 25, serve: inspectPlugin},
		{method: "DELETE", path: "/plugins/{name}", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/{name}/enable", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/{name}/disable", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/{name}/upgrade", since: 26, reason: noPlugins},
		{method: "POST", path: "/plugins/{name}/push", since: 25, reason: noPlugins},
		{method: "POST", path: "/plugins/{name}/set", since: 25, reason: noPlugins},

		// Swarm: this is no node of one, and answers what dockerd answers then
		{method: "GET", path: "/swarm", serve: swarm},
		{method: "POST", path: "/swarm/init", reason: "this engine cannot be a node of a swarm"},
		{method: "POST", path: "/swarm/join", reason: "this engine cannot be a node of a swarm"},
		{method: "POST", path: "/swarm/leave", serve: noSwarm},
		{method: "POST", path: "/swarm/update", serve: swarm},
		{method: "GET", path: "/swarm/unlockkey", serve: swarm},
		{method: "POST", path: "/swarm/unlock", serve: noSwarm},
		{method: "GET", path: "/nodes", serve: swarm},
		{method: "GET", path: "/nodes/{name}", serve: swarm},
		{method: "DELETE", path: "/nodes/{name}", serve: swarm},
		{method: "POST", path: "/nodes/{name}/update", serve: swarm},
		{method: "GET", path: "/services", serve: swarm},
		{method: "POST", path: "/services/create", serve: swarm},
		{method: "GET", path: "/services/{name}/logs", serve: swarm},
		{method: "GET", path: "/services/{name}", serve: swarm},
		{method: "DELETE", path: "/services/{name}", serve: swarm},
		{method: "POST", path: "/services/{name}/update", serve: swarm},
		{method: "GET", path: "/tasks", serve: swarm},
		{method: "GET", path: "/tasks/{name}/logs", serve: swarm},
		{method: "GET", path: "/tasks/{name}", serve: swarm},
		{method: "GET", path: "/secrets", serve: swarm},
		{method: "POST", path: "/secrets/create", serve: swarm},
		{method: "GET", path: "/secrets/{name}", serve: swarm},
		{method: "DELETE", path: "/secrets/{name}", serve: swarm},
		{method: "POST", path: "/secrets/{name}/update", serve: swarm},
		{method: "GET", path: "/configs", serve: swarm},
		{method: "POST", path: "/configs/create", serve: swarm},
		{method: "GET", path: "/configs/{name}", serve: swarm},
		{method: "DELETE", path: "/configs/{name}", serve: swarm},
		{method: "POST", path: "/configs/{name}/update", serve: swarm},
	}
	for i := range table {
		if r := &table[i]; r.serve == nil {
			r.serve = notImplemented(r)
		}
	}
	return table
}

const (
	noPlugins = "there are no plugins"
	noBuild   = "there is no BuildKit here, so images cannot be built; build on another engine and bring the image by docker save and docker load or " +
		"by a registry, or make it here of a container, by docker commit"
)

// notImplemented answers 501 and says what is missing.
func notImplemented(r *route) func(*call) error {
	err := errdefs.ErrNotImplemented.WithMessage(r.method + " " + r.path + " is not implemented: " + r.reason)
	return func(*call) error { return err }
}

// swarm is dockerd's answer outside of a swarm to what only a manager can do.
func swarm(*call) error {
	return errdefs.ErrUnavailable.WithMessage(`This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`)
}

// noSwarm is dockerd's answer outside of a swarm to what any node of one can do.
func noSwarm(*call) error {
	return errdefs.ErrUnavailable.WithMessage("This node is not part of a swarm")
}

// listPlugins serves GET /plugins. Clients ask for it before they do anything else.
func listPlugins(c *call) error {
	return c.json(http.StatusOK, []struct{}{})
}

// inspectPlugin serves GET /plugins/{name}/json, which docker inspect asks at last for what it has not found elsewhere.
func inspectPlugin(c *call) error {
	return errdefs.ErrNotFound.WithMessage("plugin " + strconv.Quote(c.name) + " not found")
}
