package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// selection is what Multus looks up for one entry of k8s.v1.cni.cncf.io/networks.
type selection struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

var label = regexp.MustCompile("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")

// selections reads an annotation as Multus 4 does (parsePodNetworkAnnotation): keys of its JSON are
// folded, the last of several wins, and names in a list may stand in any white space.
func selections(text, namespace string) ([]selection, error) {
	var found []selection
	if strings.ContainsAny(text, "[{\"") {
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			return nil, err
		}
	} else {
		for _, item := range strings.Split(text, ",") {
			one, err := listed(strings.TrimSpace(item))
			if err != nil {
				return nil, err
			}
			found = append(found, one)
		}
	}
	for number := range found {
		if found[number].Namespace == "" {
			found[number].Namespace = namespace
		}
	}
	return found, nil
}

func listed(item string) (selection, error) {
	parts := strings.Split(item, "/")
	if len(parts) > 2 {
		return selection{}, errors.New("more than one slash")
	}
	one := selection{}
	if len(parts) == 2 {
		one.Namespace = strings.TrimSpace(parts[0])
	}
	words := strings.Split(parts[len(parts)-1], "@")
	if len(words) > 2 {
		return selection{}, errors.New("more than one at sign")
	}
	one.Name = strings.TrimSpace(words[0])
	for _, word := range []string{one.Name, one.Namespace} {
		if word != "" && !label.MatchString(word) {
			return selection{}, fmt.Errorf("%q is no name", word)
		}
	}
	return one, nil
}
