package datamap

import "slices"

// node is a collection in the graph that references make.
type node struct {
	place    Place
	dataset  *Dataset
	c        *Collection
	onwards  []int // where a search for a person's data may go next
	needs    []int // the collections that its own values refer to
	identity bool
	reached  bool
}

// graph returns the collections of a map with the edges between them, in the order of the map. The map has passed Check.
func (m *Map) graph() []node {
	var nodes []node
	number := map[Place]int{}
	for i := range m.Datasets {
		for j := range m.Datasets[i].Collections {
			d, c := &m.Datasets[i], &m.Datasets[i].Collections[j]
			number[Place{Dataset: d.Key, Collection: c.Key}] = len(nodes)
			nodes = append(nodes, node{place: Place{Dataset: d.Key, Collection: c.Key}, dataset: d, c: c})
		}
	}
	for i := range nodes {
		n := &nodes[i]
		for _, f := range n.c.All() {
			n.identity = n.identity || f.Identity != ""
			for _, r := range f.References {
				d, c := m.target(n.dataset, r)
				there := number[Place{Dataset: d.Key, Collection: c.Key}]
				if r.Direction != "from" {
					n.onwards = append(n.onwards, there)
				}
				if r.Direction != "to" {
					nodes[there].onwards = append(nodes[there].onwards, i)
				}
				if there != i && !slices.Contains(n.needs, there) {
					n.needs = append(n.needs, there)
				}
			}
		}
	}
	reach(nodes)
	return nodes
}

// reach marks the collections that an identity leads to.
func reach(nodes []node) {
	var next []int
	for i := range nodes {
		if nodes[i].identity {
			nodes[i].reached, next = true, append(next, i)
		}
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		for _, j := range nodes[i].onwards {
			if !nodes[j].reached {
				nodes[j].reached, next = true, append(next, j)
			}
		}
	}
}

// DeleteOrder returns the collections in an order in which records may be deleted: those that refer come before those that they
// refer to. Collections that refer to one another in a circle have no such order: they are returned apart, one list for each
// circle, and stand in the order where their first member does (Tarjan's algorithm).
func (m *Map) DeleteOrder() (order []Place, circles [][]Place) {
	nodes := m.graph()
	s := &circleSearch{nodes: nodes, index: make([]int, len(nodes)), low: make([]int, len(nodes)), on: make([]bool, len(nodes))}
	for i := range nodes {
		if s.index[i] == 0 {
			s.visit(i)
		}
	}
	// A component is finished after all that it refers to, so that the reverse has the referring ones first.
	for _, component := range slices.Backward(s.found) {
		slices.Sort(component)
		var places []Place
		for _, i := range component {
			places = append(places, nodes[i].place)
		}
		order = append(order, places...)
		if len(places) > 1 {
			circles = append(circles, places)
		}
	}
	return order, circles
}

// circleSearch finds the strongly connected components. It calls itself at most as deep as there are collections.
type circleSearch struct {
	nodes      []node
	index, low []int
	on         []bool
	stack      []int
	count      int
	found      [][]int
}

func (s *circleSearch) visit(i int) {
	s.count++
	s.index[i], s.low[i] = s.count, s.count
	s.stack, s.on[i] = append(s.stack, i), true
	for _, j := range s.nodes[i].needs {
		if s.index[j] == 0 {
			s.visit(j)
			s.low[i] = min(s.low[i], s.low[j])
		} else if s.on[j] {
			s.low[i] = min(s.low[i], s.index[j])
		}
	}
	if s.low[i] != s.index[i] {
		return
	}
	at := slices.Index(s.stack, i)
	component := slices.Clone(s.stack[at:])
	s.stack = s.stack[:at]
	for _, j := range component {
		s.on[j] = false
	}
	s.found = append(s.found, component)
}
