package golden

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Replay carries the ids of one run of the script: what was created in it has other ids than in the recordings.
type Replay struct{ ids map[string]string }

// Path is the path to ask for: the recorded one, with the ids of this run.
func (p *Replay) Path(r Recording) string {
	path := r.Request.Path
	for recorded, ours := range p.ids {
		path = strings.ReplaceAll(path, recorded, ours)
	}
	return path
}

// Learn takes the id that got says was created.
func (p *Replay) Learn(r Recording, got Answer) {
	var recorded, ours struct{ ID string }
	if json.Unmarshal(r.Body, &recorded) != nil || json.Unmarshal(got.Body, &ours) != nil || recorded.ID == "" || ours.ID == "" {
		return
	}
	if p.ids == nil {
		p.ids = map[string]string{}
	}
	p.ids[recorded.ID] = ours.ID
}

// Body is the body to send and its type, "" and nil for none. The recordings have only those that are JSON; the others are made
// here, such that dockerd gives the recorded answer.
func Body(r Recording) (contentType string, body []byte, err error) {
	number, _, _ := strings.Cut(r.Name, "-")
	switch number {
	case "037":
		return "application/json", []byte(`{"Image":`), nil
	case "039":
		return "text/plain", []byte(`{}`), nil
	case "040":
		return "application/json", nil, nil
	case "105", "109", "110":
		body, err := archive()
		return "application/x-tar", body, err
	case "111":
		return "application/x-tar", bytes.Repeat([]byte("x"), 1024), nil
	}
	if len(r.Request.Body) == 0 {
		return "", nil, nil
	}
	return "application/json", r.Request.Body, nil
}

// archive is a tar of f.txt, as it is read back in 106 and 107.
func archive() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "f.txt", Mode: 0o644, Size: 3, ModTime: time.Unix(0, 0)}); err != nil {
		return nil, fmt.Errorf("make a tar: %w", err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		return nil, fmt.Errorf("make a tar: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("make a tar: %w", err)
	}
	return b.Bytes(), nil
}
