package alarm

import (
	"slices"
	"strings"
)

// Query is a Metrics Insights query as far as it can be told which series it reads:
//
//	SELECT FN(metric) FROM ns | SCHEMA(ns, dimension, …) [WHERE dimension = 'v' AND dimension != 'v' …]
//	[GROUP BY dimension, …] [ORDER BY FN() [ASC|DESC]] [LIMIT n]
//
// Source: CloudWatch user guide, "Metrics Insights query components and syntax".
type Query struct {
	Function  string // AVG, COUNT, MAX, MIN, SUM
	Metric    string
	Namespace string
	Schema    []string // the dimension names of a series, all of them and no others; nil: any
	Where     []Condition
	GroupBy   []string
	Limited   bool // LIMIT: which series are left out cannot be told
}

// Condition is one comparison of WHERE.
type Condition struct {
	Dimension, Value string
	Not              bool
}

// ParseQuery reads a query. false means that it is not understood, OR, IN and tags included: what it reads is then
// unknown, and nothing may be concluded from it.
func ParseQuery(text string) (Query, bool) {
	tokens, ok := tokensOf(text)
	if !ok {
		return Query{}, false
	}
	p := queryReader{tokens: tokens, fine: true}
	q := p.query()
	return q, p.fine && len(p.tokens) == 0
}

// Reads reports whether the query reads the series. A dimension with an empty value stands for any value: one that WHERE
// compares is then not read for sure.
func (q Query) Reads(s Series) bool {
	if q.Limited || q.Namespace != s.Namespace || q.Metric != s.Metric {
		return false
	}
	values := map[string]string{}
	for _, d := range s.Dimensions {
		values[d.Name] = d.Value
	}
	if q.Schema != nil {
		if len(q.Schema) != len(values) || slices.ContainsFunc(q.Schema, func(n string) bool { _, ok := values[n]; return !ok }) {
			return false
		}
	}
	for _, c := range q.Where {
		if v, ok := values[c.Dimension]; !ok || v == "" || (v == c.Value) == c.Not {
			return false
		}
	}
	return !slices.ContainsFunc(q.GroupBy, func(n string) bool { _, ok := values[n]; return !ok })
}

// queryToken is a word or a sign of a query; quote is the quote it stood in, or 0.
type queryToken struct {
	text  string
	quote byte
}

// tokensOf splits a query. A doubled quote inside quotes stands for one.
func tokensOf(text string) (out []queryToken, ok bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '"' || c == '\'':
			word, end, closed := quoted(text, i)
			if !closed {
				return nil, false
			}
			out, i = append(out, queryToken{word, c}), end
		case c == '!' && strings.HasPrefix(text[i:], "!="):
			out, i = append(out, queryToken{text: "!="}), i+2
		case strings.IndexByte("(),=", c) >= 0:
			out, i = append(out, queryToken{text: text[i : i+1]}), i+1
		case isWord(c):
			end := i
			for end < len(text) && isWord(text[end]) {
				end++
			}
			out, i = append(out, queryToken{text: text[i:end]}), end
		default:
			return nil, false
		}
	}
	return out, true
}

func quoted(text string, from int) (word string, end int, closed bool) {
	var b strings.Builder
	for i := from + 1; i < len(text); i++ {
		switch {
		case text[i] != text[from]:
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == text[from]:
			b.WriteByte(text[from])
			i++
		default:
			return b.String(), i + 1, true
		}
	}
	return "", 0, false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// queryReader reads the tokens by recursive descent; once something is not fine, nothing is.
type queryReader struct {
	tokens []queryToken
	fine   bool
}

func (p *queryReader) query() (q Query) {
	p.must("SELECT")
	q.Function = strings.ToUpper(p.next().text)
	p.fine = p.fine && slices.Contains([]string{"AVG", "COUNT", "MAX", "MIN", "SUM"}, q.Function)
	p.must("(")
	q.Metric = p.name()
	p.must(")")
	p.must("FROM")
	if p.accept("SCHEMA") {
		p.must("(")
		q.Namespace, q.Schema = p.name(), []string{}
		for p.accept(",") {
			q.Schema = append(q.Schema, p.name())
		}
		p.must(")")
	} else {
		q.Namespace = p.name()
	}
	if p.accept("WHERE") {
		q.Where = append(q.Where, p.condition())
		for p.accept("AND") {
			q.Where = append(q.Where, p.condition())
		}
	}
	if p.accept("GROUP") {
		p.must("BY")
		q.GroupBy = append(q.GroupBy, p.name())
		for p.accept(",") {
			q.GroupBy = append(q.GroupBy, p.name())
		}
	}
	if p.accept("ORDER") { // the order matters only with LIMIT
		p.must("BY")
		p.name()
		p.must("(")
		p.must(")")
		_ = p.accept("ASC") || p.accept("DESC")
	}
	if q.Limited = p.accept("LIMIT"); q.Limited {
		p.name()
	}
	return q
}

func (p *queryReader) condition() (c Condition) {
	c.Dimension = p.name()
	if c.Not = p.accept("!="); !c.Not {
		p.must("=")
	}
	value := p.next()
	p.fine = p.fine && value.quote == '\''
	c.Value = value.text
	return c
}

func (p *queryReader) next() queryToken {
	if len(p.tokens) == 0 {
		p.fine = false
		return queryToken{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// name is a bare word or one in double quotes.
func (p *queryReader) name() string {
	t := p.next()
	p.fine = p.fine && t.text != "" && (t.quote == '"' || t.quote == 0 && isWord(t.text[0]))
	return t.text
}

func (p *queryReader) accept(word string) bool {
	if len(p.tokens) == 0 || p.tokens[0].quote != 0 || !strings.EqualFold(p.tokens[0].text, word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *queryReader) must(word string) { p.fine = p.accept(word) && p.fine }
