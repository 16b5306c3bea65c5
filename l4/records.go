package l4

// A records follows a stream of TLS records (RFC 8446, section 5.1) and counts those that have passed whole.
type records struct {
	whole int // since somebody set it to 0
	left  int // bytes of the present record that are still to pass, behind its head
	size  int // the length, as far as its two bytes have passed
	head  int // how many bytes of its head have passed, 0 to headSize
}

// between reports whether the stream ends, as far as it has passed, with a whole record.
func (r *records) between() bool { return r.head == 0 }

// headSize is the size of a record's head: a type, two bytes of a version, and the length in network byte order.
const headSize = 5

// pass takes in what comes next in the stream.
func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.head < headSize {
			if r.head >= headSize-2 {
				r.size = r.size<<8 | int(b[0])
			}
			if r.head++; r.head == headSize {
				r.left, r.size = r.size, 0
			}
			b = b[1:]
		} else {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
		}
		if r.head == headSize && r.left == 0 {
			r.whole, r.head = r.whole+1, 0
		}
	}
}
