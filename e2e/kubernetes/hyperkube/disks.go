package main

// Volumes with a size: each is a file system in a file, mounted on a loop device in its node. It is full when it is full,
// and grows when its claim does. One such provisioner runs on each node, for the claims that the scheduler gave to it.
// Mounts belong to the node's namespace and free their loop devices with themselves, so that nothing is left of a node
// that is killed but the files. XFS, since ext4 grows only for processes with CAP_SYS_RESOURCE.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	provisioner   = "kafka-operator.e2e/disk"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	selectedNode  = "volume.kubernetes.io/selected-node"
	// After a step that failed, such as taking away a file system that a pod has not left yet.
	retryAfter = 500 * time.Millisecond
)

// What XFS needs; who asks for less gets this.
var smallest = resource.MustParse("300Mi")

type disks struct {
	node    string
	files   string // where the files are
	mounts  string // where they are mounted
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
}

func disksMain(arguments []string) int {
	flags := flag.NewFlagSet("disks", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how the API is reached")
	node := flags.String("node", "", "the node's name")
	files := flags.String("files", "", "folder for the files")
	mounts := flags.String("mounts", "", "folder to mount them in")
	_ = flags.Parse(arguments)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Print(err)
		return 1
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Print(err)
		return 1
	}
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	core := factory.Core().V1()
	d := &disks{
		node: *node, files: *files, mounts: *mounts, client: client,
		claims:  core.PersistentVolumeClaims().Lister(),
		volumes: core.PersistentVolumes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
	}
	changed := make(chan struct{}, 1)
	wake := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	onAny := cache.ResourceEventHandlerFuncs{
		AddFunc: wake, UpdateFunc: func(_, object any) { wake(object) }, DeleteFunc: wake,
	}
	for _, informer := range []cache.SharedIndexInformer{
		core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer(),
		factory.Storage().V1().StorageClasses().Informer(),
	} {
		if _, err := informer.AddEventHandler(onAny); err != nil {
			log.Print(err)
			return 1
		}
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range changed {
		if err := d.step(ctx); err != nil {
			log.Print(err)
			time.AfterFunc(retryAfter, func() { wake(nil) })
		}
	}
	return 0
}

// Looks at everything and does what is to be done, which is nothing where that was done before.
func (d *disks) step(ctx context.Context) error {
	claims, err := d.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	volumes, err := d.volumes.List(labels.Everything())
	if err != nil {
		return err
	}
	var failed []error
	for _, claim := range claims {
		if d.waitsForUs(claim) {
			failed = append(failed, d.provide(ctx, claim))
		}
	}
	for _, volume := range volumes {
		if volume.Annotations[provisionedBy] != provisioner || nodeOf(volume) != d.node {
			continue
		}
		switch volume.Status.Phase {
		case v1.VolumeReleased:
			failed = append(failed, d.remove(ctx, volume))
		case v1.VolumeBound:
			failed = append(failed, d.grow(ctx, volume))
		}
	}
	return errors.Join(failed...)
}

func (d *disks) waitsForUs(claim *v1.PersistentVolumeClaim) bool {
	if claim.Status.Phase != v1.ClaimPending || claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil ||
		claim.Annotations[selectedNode] != d.node {
		return false
	}
	class, err := d.classes.Get(*claim.Spec.StorageClassName)
	return err == nil && class.Provisioner == provisioner
}

func (d *disks) provide(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	name := "pvc-" + string(claim.UID)
	if _, err := d.volumes.Get(name); err == nil {
		return nil // not bound yet
	}
	class, err := d.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	size := sizeFor(claim)
	if err := d.makeDisk(name, size); err != nil {
		return fmt.Errorf("%s/%s: %w", claim.Namespace, claim.Name, err)
	}
	mode := v1.PersistentVolumeFilesystem
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisioner}},
		Spec: v1.PersistentVolumeSpec{
			Capacity:    v1.ResourceList{v1.ResourceStorage: size},
			AccessModes: claim.Spec.AccessModes,
			ClaimRef: &v1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    &mode,
			PersistentVolumeSource: v1.PersistentVolumeSource{
				Local: &v1.LocalVolumeSource{Path: filepath.Join(d.mounts, name)},
			},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{d.node},
				}}}},
			}},
		},
	}
	_, err = d.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	log.Printf("%s/%s has %s of %s", claim.Namespace, claim.Name, name, size.String())
	return nil
}

func (d *disks) grow(ctx context.Context, volume *v1.PersistentVolume) error {
	ref := volume.Spec.ClaimRef
	claim, err := d.claims.PersistentVolumeClaims(ref.Namespace).Get(ref.Name)
	if err != nil || claim.UID != ref.UID {
		return nil // about to be released
	}
	wanted := sizeFor(claim)
	if has := volume.Spec.Capacity[v1.ResourceStorage]; wanted.Cmp(has) > 0 {
		if err := d.growDisk(volume.Name, wanted); err != nil {
			return fmt.Errorf("%s/%s: %w", claim.Namespace, claim.Name, err)
		}
		changed := volume.DeepCopy()
		changed.Spec.Capacity[v1.ResourceStorage] = wanted
		if _, err := d.client.CoreV1().PersistentVolumes().Update(ctx, changed, metav1.UpdateOptions{}); err != nil {
			return err
		}
		log.Printf("%s/%s has grown from %s to %s", claim.Namespace, claim.Name, has.String(), wanted.String())
	}
	if shown := claim.Status.Capacity[v1.ResourceStorage]; claim.Status.Phase == v1.ClaimBound && wanted.Cmp(shown) > 0 {
		changed := claim.DeepCopy()
		changed.Status.Capacity = v1.ResourceList{v1.ResourceStorage: wanted}
		changed.Status.Conditions = nil
		_, err := d.client.CoreV1().PersistentVolumeClaims(ref.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
		return err
	}
	return nil
}

func (d *disks) remove(ctx context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete || volume.DeletionTimestamp != nil {
		return nil
	}
	if err := d.removeDisk(volume.Name); err != nil {
		return fmt.Errorf("%s: %w", volume.Name, err)
	}
	err := d.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	log.Printf("%s is gone", volume.Name)
	return nil
}

func (d *disks) makeDisk(name string, size resource.Quantity) error {
	file, folder := d.file(name), filepath.Join(d.mounts, name)
	if isMounted(folder) {
		return nil
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, size.Value()); err != nil {
		return err
	}
	if err := run("mkfs.xfs", "-q", "-f", file); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return run("mount", "-o", "loop", file, folder)
}

func (d *disks) growDisk(name string, size resource.Quantity) error {
	file := d.file(name)
	if err := os.Truncate(file, size.Value()); err != nil {
		return err
	}
	said, err := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", file).Output()
	device := strings.TrimSpace(string(said))
	if err != nil {
		return fmt.Errorf("losetup: %w", err)
	}
	if device == "" {
		return fmt.Errorf("%s has no loop device", file)
	}
	if err := run("losetup", "--set-capacity", device); err != nil {
		return err
	}
	return run("xfs_growfs", filepath.Join(d.mounts, name))
}

func (d *disks) removeDisk(name string) error {
	folder := filepath.Join(d.mounts, name)
	if isMounted(folder) {
		if err := run("umount", folder); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.RemoveAll(d.file(name))
}

func (d *disks) file(name string) string { return filepath.Join(d.files, name+".xfs") }

func sizeFor(claim *v1.PersistentVolumeClaim) resource.Quantity {
	if size := claim.Spec.Resources.Requests[v1.ResourceStorage]; size.Cmp(smallest) > 0 {
		return size
	}
	return smallest
}

func nodeOf(volume *v1.PersistentVolume) string {
	affinity := volume.Spec.NodeAffinity
	if affinity == nil || affinity.Required == nil || len(affinity.Required.NodeSelectorTerms) != 1 {
		return ""
	}
	asked := affinity.Required.NodeSelectorTerms[0].MatchExpressions
	if len(asked) != 1 || len(asked[0].Values) != 1 {
		return ""
	}
	return asked[0].Values[0]
}

func isMounted(folder string) bool {
	return exec.Command("mountpoint", "-q", folder).Run() == nil
}

func run(name string, arguments ...string) error {
	said, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(said)))
	}
	return nil
}
