package dockerapi

import "net/http"

// ping serves GET and HEAD /_ping. Builder-Version 1 makes the docker CLI build by POST /build, whose answer says that nothing
// can be built; 2 would promise BuildKit.
func ping(c *call) error {
	c.w.SetHeader("Builder-Version", "1")
	c.w.SetHeader("Cache-Control", "no-cache, no-store, must-revalidate")
	c.w.SetHeader("Pragma", "no-cache")
	c.w.SetHeader("Swarm", "inactive")
	if c.Method() == http.MethodHead {
		c.w.Send(http.StatusOK, "text/plain; charset=utf-8", nil)
		return nil
	}
	c.w.Send(http.StatusOK, "text/plain; charset=utf-8", pong)
	return nil
}

var pong = []byte("OK")
