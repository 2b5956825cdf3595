package main

import (
	networking "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// inOneDirection is an informer of NetworkPolicies that lists each of both types as two, one for ingress and one for egress.
//
// The controller writes the rules of a policy into one chain. In that of both types the rules for egress also let in what
// other pods of the same policy send, which its rules for ingress do not allow (kube-router 2.1.0, pkg/controllers/netpol,
// setupPodNetpolRules: it jumps to the chain whatever the direction).
type inOneDirection struct {
	cache.SharedIndexInformer
}

func (informer inOneDirection) GetIndexer() cache.Indexer {
	return splitting{informer.SharedIndexInformer.GetIndexer()}
}

type splitting struct {
	cache.Indexer
}

func (indexer splitting) List() []any {
	var found []any
	for _, object := range indexer.Indexer.List() {
		for _, policy := range split(object.(*networking.NetworkPolicy)) {
			found = append(found, policy)
		}
	}
	return found
}

// split returns a policy as one for each of its types; one without types, which the API server does not store, as it is.
func split(policy *networking.NetworkPolicy) []*networking.NetworkPolicy {
	if len(policy.Spec.PolicyTypes) < 2 {
		return []*networking.NetworkPolicy{policy}
	}
	ingress, egress := policy.DeepCopy(), policy.DeepCopy()
	// Chains and sets have names that are made of it; an object's own name has no such letter.
	ingress.Name, egress.Name = policy.Name+":ingress", policy.Name+":egress"
	ingress.Spec.PolicyTypes = []networking.PolicyType{networking.PolicyTypeIngress}
	ingress.Spec.Egress = nil
	egress.Spec.PolicyTypes = []networking.PolicyType{networking.PolicyTypeEgress}
	egress.Spec.Ingress = nil
	return []*networking.NetworkPolicy{ingress, egress}
}
