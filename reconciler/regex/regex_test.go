package regex

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpressionNeeds(t *testing.T) {
	for expr, want := range map[string][][]string{
		`panic: `:                      {{"panic: "}},
		`(?i)Kubernetes`:               {{"kubernetes"}},
		`://[^@]+@`:                    {{"://"}, {"@"}},
		`(?:token|sig)s?\s*=`:          {{"token", "sig"}, {"="}},
		`a(?:bc)+d{2,}`:                {{"bc"}, {"a"}, {"d"}},
		`sk(?:-|_live_)[a-z]+`:         {{"sk-", "sk_live_"}},
		`gh[po]_x{3}`:                  {{"gho_", "ghp_"}, {"x"}},
		`\b[Kk]ill(?:ed)? proc`:        {{"killed proc", "kill proc"}},
		`(?i)[s-t]`:                    {{"s", "t"}},
		`[^a]`:                         nil,
		`(?:a|)b?`:                     nil,
		`a|`:                           nil,
		`x*`:                           nil,
		`(?:x)?`:                       nil,
		`x{0,3}`:                       nil,
		`[A-Z]{40,}`:                   nil,
		`größe`:                        nil,
		`sent SIGKILL!|^out of memory`: {{"sent sigkill!", "out of memory"}},
	} {
		if d := cmp.Diff(want, Must(expr).needs); d != "" {
			t.Errorf("%s (-want +got):\n%s", expr, d)
		}
	}
}
