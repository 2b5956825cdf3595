package main

import (
	"context"
	"reflect"
	"sync"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// wake tells of any number of events since it was last read.
type wake chan struct{}

func (s wake) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func (s wake) empty() {
	select {
	case <-s:
	default:
	}
}

// watch knows the cluster's NetworkPolicies, and from the first one on also its pods and namespaces.
type watch struct {
	factory                    informers.SharedInformerFactory
	policies, pods, namespaces cache.SharedIndexInformer
	changed                    wake

	mutex sync.Mutex
	// fresh are the policies that were made or changed since the controller last began to write its rules.
	fresh []*networking.NetworkPolicy
	// written are those that were made or changed before it.
	written []*networking.NetworkPolicy
}

func newWatch(factory informers.SharedInformerFactory) *watch {
	return &watch{
		factory:  factory,
		policies: factory.Networking().V1().NetworkPolicies().Informer(),
		changed:  make(wake, 1),
	}
}

// first returns when the cluster has a NetworkPolicy.
func (w *watch) first(ended context.Context) error {
	if _, err := w.policies.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { w.policyChanged(object) },
		UpdateFunc: func(before, after any) {
			if before.(*networking.NetworkPolicy).Generation != after.(*networking.NetworkPolicy).Generation {
				w.policyChanged(after)
			}
		},
		DeleteFunc: func(any) { w.changed.set() },
	}); err != nil {
		return err
	}
	w.factory.Start(ended.Done())
	select {
	case <-w.changed:
		return nil
	case <-ended.Done():
		return ended.Err()
	}
}

func (w *watch) policyChanged(object any) {
	w.mutex.Lock()
	w.fresh = append(w.fresh, object.(*networking.NetworkPolicy))
	w.mutex.Unlock()
	w.changed.set()
}

// others begins to watch pods and namespaces, and returns when it knows them.
func (w *watch) others(ended context.Context) error {
	w.pods = w.factory.Core().V1().Pods().Informer()
	w.namespaces = w.factory.Core().V1().Namespaces().Informer()
	if _, err := w.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { w.podChanged(nil, object) },
		UpdateFunc: w.podChanged,
		DeleteFunc: func(object any) { w.podChanged(object, nil) },
	}); err != nil {
		return err
	}
	if _, err := w.namespaces.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { w.changed.set() },
		UpdateFunc: func(before, after any) {
			if !reflect.DeepEqual(before.(*core.Namespace).Labels, after.(*core.Namespace).Labels) {
				w.changed.set()
			}
		},
	}); err != nil {
		return err
	}
	w.factory.Start(ended.Done())
	if !cache.WaitForCacheSync(ended.Done(), w.pods.HasSynced, w.namespaces.HasSynced) {
		return ended.Err()
	}
	return nil
}

// podChanged tells of a pod where its rules may change.
func (w *watch) podChanged(before, after any) {
	if !reflect.DeepEqual(of(before), of(after)) {
		w.changed.set()
	}
}

// inRules is what the rules have of a pod.
type inRules struct {
	address, node string
	labels        map[string]string
}

// of returns what the rules have of a pod; nothing of one without an address, of the host's network, or that has ended.
func of(object any) inRules {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	pod, ok := object.(*core.Pod)
	if !ok || pod.Status.PodIP == "" || pod.Spec.HostNetwork ||
		pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
		return inRules{}
	}
	return inRules{pod.Status.PodIP, pod.Status.HostIP, pod.Labels}
}

// begin notes that the controller begins to write its rules: they have all policies until now.
func (w *watch) begin() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.written, w.fresh = append(w.written, w.fresh...), nil
}

// selected returns the addresses of the pods that new and changed policies select, once for each policy that is written.
func (w *watch) selected() map[string]bool {
	w.mutex.Lock()
	written := w.written
	w.written = nil
	w.mutex.Unlock()
	addresses := map[string]bool{}
	for _, policy := range written {
		selector, err := meta.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil {
			continue
		}
		pods, err := w.factory.Core().V1().Pods().Lister().Pods(policy.Namespace).List(selector)
		if err != nil {
			continue
		}
		for _, pod := range pods {
			// A pod of the host's network has the node's address, and no policy holds for it.
			if pod.Status.PodIP != "" && !pod.Spec.HostNetwork {
				addresses[pod.Status.PodIP] = true
			}
		}
	}
	return addresses
}
