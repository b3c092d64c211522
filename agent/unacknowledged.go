package agent

// Unacknowledged counts the exits that no server has acknowledged yet: an agent that has some does not end for being idle.
func (s *Server) Unacknowledged() int {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return len(s.events.events)
}
