package wire

import (
	"encoding/base64"
	"strconv"
)

// Page is the part of a list that a token asks for, of at most limit items, or most, and the token of the rest; nil where there
// is none.
func Page[T any](all []T, token string, limit, most int) (page []T, next *string, err error) {
	from := 0
	if token != "" {
		text, decodeErr := base64.StdEncoding.DecodeString(token)
		from, err = strconv.Atoi(string(text))
		if decodeErr != nil || err != nil || from < 0 || from > len(all) {
			return nil, nil, &Error{Code: "InvalidParameterException", Message: "Invalid token " + token}
		}
	}
	if limit <= 0 || limit > most {
		limit = most
	}
	to := min(from+limit, len(all))
	if to < len(all) {
		text := base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(to)))
		next = &text
	}
	return append([]T{}, all[from:to]...), next, nil
}
