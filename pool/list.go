package pool

// A list is doubly linked. Its elements contain the nodes, so that adding and removing cost O(1) and allocate nothing.
type list[T any] struct {
	head, tail *node[T]
	length     int
}

// A node is an element's place in a list. A node is in one list at most.
type node[T any] struct {
	of         T // the element
	prev, next *node[T]
	linked     bool
}

func (l *list[T]) push(n *node[T]) {
	n.prev, n.next, n.linked = l.tail, nil, true
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
	l.length++
}

func (l *list[T]) remove(n *node[T]) {
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.prev, n.next, n.linked = nil, nil, false
	l.length--
}
