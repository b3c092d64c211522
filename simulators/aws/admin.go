package aws

import (
	"encoding/json"
	"net/http"

	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// FaultRules is what is PUT to /_simulator/faults.
type FaultRules struct {
	Seed  uint64        `json:"seed"`
	Rules []faults.Rule `json:"rules"`
}

// admin is the simulator's own interface: what goes wrong, and what was asked.
func (s *Simulator) admin(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_simulator", "GET /_simulator/":
		s.page(w, r)
	case "GET /_simulator/faults":
		writeJSON(w, s.faults.Rules())
	case "PUT /_simulator/faults":
		var f FaultRules
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.faults.Replace(f.Seed, f.Rules); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case "GET /_simulator/calls":
		writeJSON(w, s.calls.Last(1000))
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}
