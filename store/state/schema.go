package state

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/dgraph-io/badger/v4"
)

// SchemaVersion is the version of the records that this program writes. It grows when an older program could no
// longer read them.
const SchemaVersion = 1

// schemaKey begins with a byte that no other key has, and no scan shows it.
const schemaKey = "\x00schema"

// checkSchema writes the version into a new store, and refuses a store that a newer program has written.
func (s *store) checkSchema() error {
	var found []byte
	err := s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(schemaKey))
		if err != nil {
			return err
		}
		found, err = item.ValueCopy(nil)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return s.db.Update(func(txn *badger.Txn) error {
			return txn.Set([]byte(schemaKey), []byte(strconv.Itoa(SchemaVersion)))
		})
	}
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(string(found))
	if err != nil {
		return fmt.Errorf("schema version %q is not a number: %w", found, errdefs.ErrDataLoss)
	}
	if version > SchemaVersion {
		return fmt.Errorf("the records have schema version %d, this program knows up to version %d; use a newer program: %w",
			version, SchemaVersion, errdefs.ErrFailedPrecondition)
	}
	return nil
}
