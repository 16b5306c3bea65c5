package pool

// Nearest returns the element of known that is spelled most like word, or "" if none is near. The parsers of this
// package and of the command line suggest it for a wrong word.
func Nearest(word string, known []string) string {
	found, best := "", (len(word)+2)/3+1
	for _, k := range known {
		if d := distance(word, k); d < best {
			found, best = k, d
		}
	}
	return found
}

// distance returns how many bytes must be inserted, removed or replaced to turn a into b (Levenshtein, 1965).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a) // nothing that long is near anything known
	}
	row := make([]int, len(b)+1) // one row of the table of distances: for the part of a that was read so far
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
