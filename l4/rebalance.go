package l4

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"forebay/pool"
)

// A Rebalance says when and how fast live sessions are spread anew. That is of use after a backend has joined,
// recovered or been resumed, as it has no sessions while the others have all. Quiet sessions are concluded, the
// stillest first, and their clients connect anew. The zero Rebalance leaves sessions where they are.
type Rebalance struct {
	// Factor is the skew at which sessions are ended: a backend has more than so many times as many as another one,
	// each for its weight. It is above 1.
	Factor float64
	Rate   int  // how many sessions are ended a second, at most
	DryRun bool // what would be done is only logged
}

// String returns r as the operator writes it.
func (r Rebalance) String() string {
	if r.Rate == 0 {
		return "off"
	}
	text := fmt.Sprintf("factor=%s,rate=%d", strconv.FormatFloat(r.Factor, 'g', -1, 64), r.Rate)
	if r.DryRun {
		text += ",dry-run"
	}
	return text
}

// UnmarshalText reads what String writes. A factor that is left out is 1.5, a rate that is left out is 10.
func (r *Rebalance) UnmarshalText(text []byte) error {
	*r = Rebalance{}
	if string(text) == "off" {
		return nil
	}
	parsed := Rebalance{Factor: 1.5, Rate: 10}
	for part := range strings.SplitSeq(string(text), ",") {
		if err := parsed.set(part); err != nil {
			return err
		}
	}
	*r = parsed
	return nil
}

func (r *Rebalance) set(part string) error {
	const most = 1000
	name, value, _ := strings.Cut(part, "=")
	var err error
	switch name {
	case "factor":
		if r.Factor, err = strconv.ParseFloat(value, 64); err != nil || !(r.Factor > 1 && r.Factor <= most) {
			return fmt.Errorf("%q is no factor; write a number above 1 and up to %d, such as 1.5", value, most)
		}
	case "rate":
		if r.Rate, err = strconv.Atoi(value); err != nil || r.Rate < 1 || r.Rate > most {
			return fmt.Errorf("%q is no rate; write how many sessions a second, 1 to %d", value, most)
		}
	case "dry-run":
		r.DryRun = true
	default:
		return fmt.Errorf(
			"%q says nothing about rebalancing; write factor=1.5,rate=10, with or without dry-run, or off", part)
	}
	return nil
}

// A Load is what one backend carries beside what would be fair.
type Load struct {
	Backend  *pool.Backend
	Sessions int
	// Share is the backend's share of all sessions, from 0 to 1: by weight, less while it starts slowly, within
	// max-conns. It is 0 for a backup that is not needed.
	Share   float64
	Surplus int // sessions beyond that share, where rebalancing would end them

	weight float64
	most   int // sessions it may have; 0: any number
	backup bool
	quiet  int // how many of its sessions can be ended now
}

// loadsOf returns the loads of the backends of p that are up, in their order, not yet weighed.
func loadsOf(p *pool.Pool) []Load {
	var loads []Load
	for _, b := range p.Snapshot().Backends {
		if b.State != pool.Up || b.Draining || b.Removed {
			continue
		}
		if known := p.Backend(b.Name); known != nil {
			loads = append(loads, Load{Backend: known, Sessions: b.Active, weight: float64(b.Weight) * b.Share,
				most: b.MaxConns, backup: b.Backup})
		}
	}
	return loads
}

// weigh sets every Share and Surplus, for so many sessions in all.
func weigh(loads []Load, factor, total float64) {
	share(loads, total)
	skewed := skewed(loads, factor)
	for i := range loads {
		loads[i].Surplus = 0
		if skewed {
			loads[i].Surplus = loads[i].above(total)
		}
	}
}

// noise is the error that adding up shares can make.
const noise = 1e-9

// share sets every Share of so many sessions in all. Backends that are no backups get what they can take, and backups
// the rest.
func share(loads []Load, total float64) {
	var first, backups []*Load
	for i := range loads {
		if l := &loads[i]; l.backup {
			backups = append(backups, l)
		} else {
			first = append(first, l)
		}
	}
	if rest := fill(first, 1, total); rest > noise {
		fill(backups, rest, total)
	}
}

// fill spreads a part of total over loads by weight, to none more than its max-conns. It returns what none can take.
func fill(loads []*Load, part, total float64) (rest float64) {
	sum := 0.0
	for _, l := range loads {
		l.Share = 0
		sum += l.weight
	}
	for i, l := range loads {
		if most := float64(l.most) / total; l.most > 0 && part*l.weight/sum > most {
			l.Share = most
			return fill(slices.Delete(slices.Clone(loads), i, i+1), part-most, total) // for the others there is more
		}
	}
	if sum == 0 {
		return part
	}
	for _, l := range loads {
		l.Share = part * l.weight / sum
	}
	return 0
}

// skewed reports whether the fullest of loads has more than factor times as much as the emptiest, each for its share.
func skewed(loads []Load, factor float64) bool {
	var fullest, emptiest Load
	for _, l := range loads {
		if fullest.Sessions == 0 || l.fuller(&fullest) {
			fullest = l
		}
		if l.Share > 0 && (emptiest.Share == 0 || emptiest.fuller(&l)) {
			emptiest = l
		}
	}
	return float64(fullest.Sessions)*emptiest.Share > factor*float64(emptiest.Sessions)*fullest.Share
}

func total(loads []Load) float64 {
	sum := 0
	for _, l := range loads {
		sum += l.Sessions
	}
	return float64(sum)
}

// above returns how many sessions l has beyond its fair share of total, rounded up.
func (l *Load) above(total float64) int {
	return max(l.Sessions-int(math.Ceil(l.Share*total-noise)), 0)
}

// shed chooses n sessions to end, one after the other. Each is of the backend that is furthest above its share of total
// and has a quiet session. No backend goes below its share. shed returns how many are of each load, and takes them off
// its Sessions and its Surplus.
func shed(loads []Load, n int, total float64) []int {
	from := make([]int, len(loads))
	for range n {
		fullest := -1
		for i := range loads {
			l := &loads[i]
			if l.Surplus > 0 && l.quiet > from[i] && l.above(total) > 0 && (fullest < 0 || l.fuller(&loads[fullest])) {
				fullest = i
			}
		}
		if fullest < 0 {
			break
		}
		from[fullest]++
		loads[fullest].Sessions--
		loads[fullest].Surplus--
	}
	return from
}

// fuller reports whether l has more for its share than m.
func (l *Load) fuller(m *Load) bool { return float64(l.Sessions)*m.Share > float64(m.Sessions)*l.Share }

// allowance returns how many of rate sessions a second may end at the look of that number. The looks of any second add
// up to rate.
func allowance(rate, look int) int {
	const looks = int(time.Second / lookEvery)
	return rate*(look+1)/looks - rate*look/looks
}
