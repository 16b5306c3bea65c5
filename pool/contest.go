package pool

// A contest finds the winner of a slot among entrants. They are grouped by weight: within a group the luckiest wins, so that a slot costs
// one multiplication per entrant and a logarithm or two per group.
type contest []weightGroup

type weightGroup struct {
	weight  int
	seeds   []uint64
	indexes []int // into the entrants, for each seed
}

// newContest returns the contest among all entrants but those whose index is in except.
func newContest(entrants []entrant, except []int) contest {
	excepted := make(map[int]bool, len(except))
	for _, index := range except {
		excepted[index] = true
	}
	var c contest
	groups := make(map[int]int) // place in c, by weight
	for index, e := range entrants {
		if excepted[index] {
			continue
		}
		place, ok := groups[e.weight]
		if !ok {
			place = len(c)
			groups[e.weight] = place
			c = append(c, weightGroup{weight: e.weight})
		}
		c[place].seeds = append(c[place].seeds, e.seed)
		c[place].indexes = append(c[place].indexes, index)
	}
	return c
}

// winner returns the best score of all. There is one entrant at least.
func (c contest) winner(draw uint64) score { return c[1:].winnerAgainst(c[0].best(draw), draw) }

// winnerAgainst returns the best score of holder's and all.
func (c contest) winnerAgainst(holder score, draw uint64) score {
	for i := range c {
		if s := c[i].best(draw); s.beats(holder) {
			holder = s
		}
	}
	return holder
}

// best returns the score of the luckiest in the group.
func (g *weightGroup) best(draw uint64) score {
	best, most := 0, uint64(0)
	for i, seed := range g.seeds {
		if l := luck(seed, draw); l > most {
			best, most = i, l
		}
	}
	return score{index: g.indexes[best], weight: g.weight, luck: most}
}
