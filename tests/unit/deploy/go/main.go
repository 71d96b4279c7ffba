// Command admission judges requests by a ValidatingAdmissionPolicy, as an API server does.
//
// It reads {"policy": …, "requests": [{"object", "oldObject", "request", "namespaceObject"}, …]}
// from stdin and writes for each request the message that refuses it, or null.  The environment is
// the part of the API server's that the policies use: strings, optional values, has() and macros.
//
// `admission networks NAMESPACE` reads a list of annotations instead, and writes for each what
// Multus looks up for a pod of that namespace, or null for what it does not understand.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// The API server's, from k8s.io/apiserver/pkg/cel/environment: a call may cost a pod's author no more.
const costLimit = 1_000_000

type named struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

type validation struct {
	Expression        string `json:"expression"`
	Message           string `json:"message"`
	MessageExpression string `json:"messageExpression"`
}

type policy struct {
	Spec struct {
		MatchConditions []named      `json:"matchConditions"`
		Variables       []named      `json:"variables"`
		Validations     []validation `json:"validations"`
	} `json:"spec"`
}

type values map[string]any

type judge struct {
	early    *cel.Env // of match conditions, which see neither the namespace nor variables
	env      *cel.Env
	policy   policy
	programs map[string]cel.Program
}

func newEnv(names ...string) (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.StdLib(), cel.OptionalTypes(), ext.Strings(ext.StringsVersion(2)),
		cel.CrossTypeNumericComparisons(true), cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
	}
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	return cel.NewCustomEnv(options...)
}

func newJudge(p policy) (*judge, error) {
	early, err := newEnv("object", "oldObject", "request")
	if err != nil {
		return nil, err
	}
	env, err := newEnv("object", "oldObject", "request", "namespaceObject", "variables")
	return &judge{early: early, env: env, policy: p, programs: map[string]cel.Program{}}, err
}

func (j *judge) eval(env *cel.Env, expression string, given values) (ref.Val, error) {
	program, known := j.programs[expression]
	if !known {
		ast, issues := env.Compile(expression)
		if issues.Err() != nil {
			return nil, fmt.Errorf("%s: %w", expression, issues.Err())
		}
		var err error
		program, err = env.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return nil, err
		}
		j.programs[expression] = program
	}
	found, _, err := program.Eval(map[string]any(given))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expression, err)
	}
	return found, nil
}

// refusal returns why a request is refused, empty when it is not.
func (j *judge) refusal(given values) (string, error) {
	for _, condition := range j.policy.Spec.MatchConditions {
		found, err := j.eval(j.early, condition.Expression, given)
		if err != nil || found != types.True {
			return "", err
		}
	}
	variables := map[string]ref.Val{}
	given["variables"] = variables
	for _, variable := range j.policy.Spec.Variables {
		found, err := j.eval(j.env, variable.Expression, given)
		if err != nil {
			return "", err
		}
		variables[variable.Name] = found
	}
	for _, one := range j.policy.Spec.Validations {
		found, err := j.eval(j.env, one.Expression, given)
		if err != nil {
			return "", err
		}
		if found == types.True {
			continue
		}
		if one.MessageExpression == "" {
			return one.Message, nil
		}
		text, err := j.eval(j.env, one.MessageExpression, given)
		if err != nil {
			return "", err
		}
		return text.Value().(string), nil
	}
	return "", nil
}

func run() error {
	var input struct {
		Policy   policy   `json:"policy"`
		Requests []values `json:"requests"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	if len(input.Policy.Spec.Validations) == 0 {
		return errors.New("the policy validates nothing")
	}
	j, err := newJudge(input.Policy)
	if err != nil {
		return err
	}
	answers := make([]*string, len(input.Requests))
	for number, given := range input.Requests {
		message, err := j.refusal(given)
		if err != nil {
			return fmt.Errorf("request %d: %w", number, err)
		}
		if message != "" {
			answers[number] = &message
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func runNetworks(namespace string) error {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		return err
	}
	answers := make([][]selection, len(texts))
	for number, text := range texts {
		if found, err := selections(text, namespace); err == nil {
			answers[number] = found
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func main() {
	work := run
	if len(os.Args) == 3 && os.Args[1] == "networks" {
		work = func() error { return runNetworks(os.Args[2]) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}
