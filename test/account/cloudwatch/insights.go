package cloudwatch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Query is a parsed Metrics Insights query:
//
//	SELECT AVG|SUM|MIN|MAX|COUNT(metric) FROM "ns" | SCHEMA("ns", dimension, …)
//	[WHERE dimension = 'value' AND dimension != 'value' …] [GROUP BY dimension, …] [ORDER BY FUNC() [ASC|DESC]] [LIMIT n]
//
// Source: user guide, "Metrics Insights query components and syntax". Keywords are not case sensitive. Names with anything
// but letters, digits and _ stand in double quotes, values in single quotes; a quote inside is doubled.
type Query struct {
	Function   string // AVG, SUM, MIN, MAX or COUNT
	Metric     string
	Namespace  string
	Schema     []string // the dimension names a metric must have, all and no others; read only when Exact
	Exact      bool     // the query has SCHEMA(…)
	Where      []Condition
	GroupBy    []string
	OrderBy    string // a function, or "" without ORDER BY
	Descending bool
	Limit      int // 0 without LIMIT
}

// Condition is one comparison of WHERE.
type Condition struct {
	Dimension string
	Not       bool // != instead of =
	Value     string
}

// functions are the query functions and the statistics they stand for.
var functions = map[string]string{"AVG": "Average", "SUM": "Sum", "MIN": "Minimum", "MAX": "Maximum", "COUNT": "SampleCount"}

// maxSeries is the most time series a query returns, and the highest LIMIT.
const maxSeries = 500

// ParseQuery reads a Metrics Insights query. An error names the position, counted in bytes from 1, and what was expected.
func ParseQuery(text string) (Query, error) {
	tokens, err := scan(text)
	if err != nil {
		return Query{}, err
	}
	p := &parser{tokens: tokens}
	q := p.query()
	if p.err == nil {
		p.err = q.check()
	}
	if p.err != nil {
		return Query{}, p.err
	}
	return q, nil
}

// check holds what the grammar alone does not say.
func (q Query) check() error {
	for _, g := range q.GroupBy {
		if q.Exact && !slices.Contains(q.Schema, g) {
			return fmt.Errorf("GROUP BY %s: the dimension is not in SCHEMA(…)", g)
		}
	}
	for _, w := range q.Where {
		if q.Exact && !slices.Contains(q.Schema, w.Dimension) {
			return fmt.Errorf("WHERE %s: the dimension is not in SCHEMA(…)", w.Dimension)
		}
	}
	return nil
}

// parser reads the tokens by recursive descent. After the first error it only hands out end-of-query tokens.
type parser struct {
	tokens []token
	err    error
}

func (p *parser) query() Query {
	var q Query
	p.keyword("SELECT")
	q.Function = p.function()
	p.symbol("(")
	q.Metric = p.name("a metric name")
	p.symbol(")")
	p.keyword("FROM")
	p.source(&q)
	if p.accept("WHERE") {
		q.Where = p.conditions()
	}
	if p.accept("GROUP") {
		p.keyword("BY")
		q.GroupBy = p.names()
	}
	if p.accept("ORDER") {
		p.keyword("BY")
		q.OrderBy = p.function()
		p.symbol("(")
		p.symbol(")")
		q.Descending = p.accept("DESC")
		if !q.Descending {
			p.accept("ASC")
		}
	}
	if p.accept("LIMIT") {
		q.Limit = p.limit()
	}
	if t := p.peek(); t.kind != endToken {
		p.fail(t, "the end of the query")
	}
	return q
}

func (p *parser) source(q *Query) {
	if !p.accept("SCHEMA") {
		q.Namespace = p.name("a namespace or SCHEMA(…)")
		return
	}
	q.Exact = true
	p.symbol("(")
	q.Namespace = p.name("a namespace")
	for p.peek().is(",") {
		p.next()
		q.Schema = append(q.Schema, p.name("a dimension name"))
	}
	p.symbol(")")
}

func (p *parser) conditions() []Condition {
	var list []Condition
	for {
		c := Condition{Dimension: p.name("a dimension name")}
		if c.Not = p.peek().is("!="); c.Not {
			p.next()
		} else {
			p.symbol("=")
		}
		t := p.next()
		if t.kind != stringToken {
			p.fail(t, "a value in single quotes")
		}
		c.Value = t.text
		list = append(list, c)
		if !p.accept("AND") {
			return list
		}
	}
}

func (p *parser) names() []string {
	list := []string{p.name("a dimension name")}
	for p.peek().is(",") {
		p.next()
		list = append(list, p.name("a dimension name"))
	}
	return list
}

func (p *parser) function() string {
	t := p.next()
	name := strings.ToUpper(t.text)
	if functions[name] == "" || t.kind != wordToken {
		p.fail(t, "AVG, SUM, MIN, MAX or COUNT")
	}
	return name
}

func (p *parser) limit() int {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != wordToken || err != nil || n < 1 || n > maxSeries {
		p.fail(t, fmt.Sprintf("a number from 1 to %d", maxSeries))
	}
	return n
}

func (p *parser) name(what string) string {
	t := p.next()
	if t.kind == nameToken && t.text != "" {
		return t.text
	}
	if t.kind != wordToken || t.text[0] >= '0' && t.text[0] <= '9' || slices.Contains(reserved, strings.ToUpper(t.text)) {
		p.fail(t, what)
	}
	return t.text
}

// reserved words name something only in double quotes.
var reserved = strings.Fields("AND ASC AVG BY COUNT DESC FROM GROUP LIMIT MAX MIN ORDER SCHEMA SELECT SUM WHERE")

func (p *parser) keyword(word string) {
	if t := p.next(); !t.isWord(word) {
		p.fail(t, word)
	}
}

func (p *parser) symbol(sign string) {
	if t := p.next(); !t.is(sign) {
		p.fail(t, strconv.Quote(sign))
	}
}

// accept takes the next token when it is the keyword.
func (p *parser) accept(word string) bool {
	if !p.peek().isWord(word) {
		return false
	}
	p.next()
	return true
}

func (p *parser) peek() token {
	if p.err != nil {
		return token{kind: endToken}
	}
	return p.tokens[0]
}

func (p *parser) next() token {
	t := p.peek()
	if p.err == nil && t.kind != endToken {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) fail(t token, expected string) {
	if p.err != nil {
		return
	}
	found := strconv.Quote(t.text)
	if t.kind == endToken {
		found = "the end of the query"
	}
	p.err = fmt.Errorf("position %d: expected %s, found %s", t.pos, expected, found)
}
