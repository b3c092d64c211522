package image

import "time"

// HistoryEntry is one step in the making of an image, as docker history shows it.
type HistoryEntry struct {
	Created   time.Time // zero where it is not known
	CreatedBy string
	Comment   string
	Size      int64 // bytes of the step's layer, 0 where it made none
}

// History lists the steps, the newest first.
func (i *Image) History() []HistoryEntry {
	var entries []HistoryEntry
	layer := 0
	for _, h := range i.Spec.History {
		e := HistoryEntry{CreatedBy: h.CreatedBy, Comment: h.Comment}
		if h.Created != nil {
			e.Created = *h.Created
		}
		if !h.EmptyLayer && layer < len(i.LayerSizes) {
			e.Size = i.LayerSizes[layer]
			layer++
		}
		entries = append([]HistoryEntry{e}, entries...)
	}
	return entries
}
