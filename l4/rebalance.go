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

// A Rebalance says when and how fast live sessions are spread anew after a backend has joined, recovered or been
// resumed, which has none while the others have all. Sessions are concluded, quiet ones, the stillest first, and their
// clients connect anew. The zero Rebalance leaves them where they are.
type Rebalance struct {
	Factor float64 // how many times as much as another one a backend must have, each for its weight, for sessions to be ended; above 1
	Rate   int     // how many sessions are ended a second, at most
	DryRun bool    // only tell in the log what would be done
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

// UnmarshalText reads what String writes. What is left out is a factor of 1.5 and a rate of 10.
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
		return fmt.Errorf("%q says nothing about rebalancing; write factor=1.5,rate=10, with or without dry-run, or off", part)
	}
	return nil
}

// A Load is what one backend carries beside what would be fair.
type Load struct {
	Backend  *pool.Backend
	Sessions int
	Share    float64 // of all sessions, from 0 to 1: by its weight, less while it starts slowly, what max-conns allow; 0 for a backup that is not needed
	Surplus  int     // sessions beyond that share, where rebalancing would end them

	weight float64
	most   int // sessions it may have; 0: any number
	backup bool
	quiet  int // of its sessions, that can be ended now
}

// loadsOf returns what the backends of p carry that are up, in their order, before it is weighed.
func loadsOf(p *pool.Pool) []Load {
	var loads []Load
	for _, b := range p.Snapshot().Backends {
		if b.State != pool.Up || b.Draining || b.Removed {
			continue
		}
		if known := p.Backend(b.Name); known != nil {
			loads = append(loads, Load{Backend: known, Sessions: b.Active, weight: float64(b.Weight) * b.Share, most: b.MaxConns, backup: b.Backup})
		}
	}
	return loads
}

// weigh finds every Share and Surplus, of so many sessions in all.
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

// noise is what adding up shares can leave.
const noise = 1e-9

// share finds every Share of so many sessions in all. Those that are no backups have what they can take, and backups
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

// fill spreads a part of total over loads by weight, none getting more than its max-conns, and returns what they can't
// take.
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

// above is how many sessions l has beyond its fair share of total, that rounded up.
func (l *Load) above(total float64) int {
	return max(l.Sessions-int(math.Ceil(l.Share*total-noise)), 0)
}

// shed chooses n sessions to end, one after the other from the backend that is the furthest above its share and has a
// quiet one, and never below that. It returns how many of each load's, and takes them off its Sessions and its Surplus.
// The shares are of total.
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

// allowance is how many of rate sessions a second are for the look of that number: in any second's looks, exactly rate.
func allowance(rate, look int) int {
	const looks = int(time.Second / lookEvery)
	return rate*(look+1)/looks - rate*look/looks
}
