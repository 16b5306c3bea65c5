package l4

import "testing"

func TestComplaintIsNotRepeatedAtOnce(t *testing.T) {
	var c complaint
	said := 0
	for now := int64(0); now < 3*int64(complainEvery); now += int64(complainEvery) / 4 {
		if _, due := c.due(now); due {
			said++
		}
	}
	if times, due := c.due(3 * int64(complainEvery)); said != 3 || times != 13 || !due {
		t.Errorf("said %d times of 12, and then %v of %d; want 3 times, and then the 13th", said, due, times)
	}
}
