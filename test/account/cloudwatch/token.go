package cloudwatch

import (
	"fmt"
	"strings"
)

type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // a keyword, a plain name or a number
	nameToken             // in double quotes
	stringToken           // in single quotes
	symbolToken
)

type token struct {
	kind tokenKind
	text string // without quotes
	pos  int    // of its first byte, from 1
}

func (t token) is(sign string) bool { return t.kind == symbolToken && t.text == sign }

func (t token) isWord(word string) bool {
	return t.kind == wordToken && strings.EqualFold(t.text, word)
}

// scan cuts a query into tokens, the last of which is an end token.
func scan(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		t, width, err := scanOne(text, i)
		if err != nil {
			return nil, err
		}
		if t.kind != endToken {
			out = append(out, t)
		}
		i += width
	}
	return append(out, token{kind: endToken, pos: len(text) + 1}), nil
}

// scanOne reads the token that starts at byte i; white space gives an end token, which the caller skips.
func scanOne(text string, i int) (token, int, error) {
	switch c := text[i]; {
	case strings.IndexByte(" \t\r\n;", c) >= 0:
		return token{}, 1, nil
	case strings.IndexByte("(),=", c) >= 0:
		return token{symbolToken, text[i : i+1], i + 1}, 1, nil
	case strings.HasPrefix(text[i:], "!="):
		return token{symbolToken, "!=", i + 1}, 2, nil
	case c == '"':
		return quoted(text, i, nameToken)
	case c == '\'':
		return quoted(text, i, stringToken)
	case wordByte(c):
		end := i
		for end < len(text) && wordByte(text[end]) {
			end++
		}
		return token{wordToken, text[i:end], i + 1}, end - i, nil
	}
	return token{}, 0, fmt.Errorf("position %d: unexpected %q; names with special characters stand in double quotes", i+1, text[i])
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// quoted reads up to the closing quote; a doubled quote stands for itself.
func quoted(text string, start int, kind tokenKind) (token, int, error) {
	quote := text[start]
	var b strings.Builder
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[i] != quote:
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == quote:
			b.WriteByte(quote)
			i++
		default:
			return token{kind, b.String(), start + 1}, i + 1 - start, nil
		}
	}
	return token{}, 0, fmt.Errorf("position %d: the quote %c is not closed", start+1, quote)
}
