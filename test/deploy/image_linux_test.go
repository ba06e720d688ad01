package deploy

// The image is not built here, which takes a container engine. What it would hold is put together by the Dockerfile's own
// steps and run as the image would be: alone in a root of its own that nobody may write to, as its user.

import (
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskwarden/test/account"
)

// instructions are those of a Dockerfile, by line, with continued lines joined.
func instructions(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(string(file(t, "deploy/Dockerfile")), "\\\n", " "), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// built runs the Dockerfile's build step for an architecture and gives the directory that it calls /out.
func built(t *testing.T, arch string) string {
	t.Helper()
	var step string
	for _, line := range instructions(t) {
		if strings.HasPrefix(line, "RUN ") && strings.Contains(line, "build.sh") {
			step = strings.TrimPrefix(line, "RUN ")
		}
	}
	out := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(step, "/out/", out+"/"))
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+arch, "VERSION=v9.8.7", "COMMIT=abc123")
	if said, err := cmd.CombinedOutput(); err != nil || step == "" {
		t.Fatalf("%q: %v\n%s", step, err, said)
	}
	return out
}

// The binary needs nothing beside itself, on both architectures.
func TestTheImagesBinaryIsStatic(t *testing.T) {
	t.Parallel()
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.Open(filepath.Join(built(t, arch), "controller"))
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := f.ImportedLibraries()
		if f.Machine != machine || err != nil || len(libraries) > 0 || f.Section(".interp") != nil {
			t.Errorf("%s: %s, libraries %v, %v", arch, f.Machine, libraries, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// image is the last stage's file system with the certificate of a server in the place of the world's.
func image(t *testing.T, certificate []byte) string {
	t.Helper()
	out, root := built(t, runtime.GOARCH), t.TempDir()
	copies := 0
	for _, line := range instructions(t) {
		m := regexp.MustCompile(`^COPY --from=build (?:--chown=65532:65532 )?(\S+) (\S+)$`).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		copies++
		to := filepath.Join(root, m[2])
		fine(t, os.MkdirAll(filepath.Dir(to), 0o755))
		switch {
		case strings.HasSuffix(m[1], ".crt"):
			fine(t, os.WriteFile(to, certificate, 0o444))
		case m[1] == "/out/data":
			fine(t, os.Mkdir(to, 0o755))
			if os.Getuid() == 0 {
				fine(t, os.Chown(to, 65532, 65532))
			}
		default:
			fine(t, os.Rename(strings.Replace(m[1], "/out", out, 1), to))
		}
	}
	if copies != 3 {
		t.Fatalf("%d copies into the image are known here", copies)
	}
	fine(t, os.Chmod(root, 0o555))
	t.Cleanup(func() { fine(t, os.Chmod(root, 0o755)) })
	return root
}

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inside prepares a command in the image: its root, its user, and no more of the environment than is given.
func inside(root string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("/controller", args...)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532, NoSetGroups: true}}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 { // as nobody: in a user namespace, where one may change the root
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: gid, Size: 1}}
	}
	return cmd
}

// What is in the image is enough: it says its version, looks at an account over TLS by the certificates it has, runs, says
// that it is healthy, and ends in time when it is told to.
func TestTheImagesContentIsEnough(t *testing.T) {
	t.Parallel()
	a, err := account.New(account.Bulk(1, 2, 2), time.Now())
	fine(t, err)
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	root := image(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	address := freeAddress(t)
	env := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + server.URL,
		"TASKWARDEN_CONFIG=apiVersion: taskwarden/v1\nkind: ControllerConfig\ntimezone: Asia/Tokyo\nserver: {address: \"" + address + "\"}\n"}

	said, err := inside(root, env, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "taskwarden v9.8.7 (abc123) ") {
		t.Fatalf("version: %v %s", err, said)
	}
	out, err := inside(root, env, "scan", "-o", "json").Output()
	var report struct {
		Complete bool
		Items    []any
	}
	if err != nil || json.Unmarshal(out, &report) != nil || !report.Complete {
		t.Errorf("scan: %v %s", err, out)
	}
	runs := inside(root, env, "run")
	var log strings.Builder
	runs.Stderr = &log
	fine(t, runs.Start())
	health := func() error { return inside(root, env, "health", "--server", "http://"+address).Run() }
	for deadline := time.Now().Add(20 * time.Second); health() != nil; {
		if time.Now().After(deadline) {
			_ = runs.Process.Kill()
			t.Fatalf("not healthy: %s", log.String())
		}
	}
	fine(t, runs.Process.Signal(syscall.SIGTERM))
	began := time.Now()
	if err := runs.Wait(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("the stop took %s: %v\n%s", time.Since(began), err, log.String())
	}
	if health() == nil {
		t.Error("healthy though it has ended")
	}
	if left, err := os.ReadDir(root); err != nil || fmt.Sprint(left) != "[- controller d data/ d etc/]" {
		t.Errorf("written beside /data: %v %v", left, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	defer l.Close()
	return l.Addr().String()
}

// The image has nobody's user, no shell, and starts what it should.
func TestTheDockerfile(t *testing.T) {
	text := strings.Join(instructions(t), "\n")
	_, last, _ := strings.Cut(text, "\nFROM scratch\n")
	for _, want := range []string{"USER 65532:65532\n", "ENTRYPOINT [\"/controller\"]\n", "HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD [\"/controller\", \"health\"]", "org.opencontainers.image.version=\"$VERSION\""} {
		if !strings.Contains(last, want) {
			t.Errorf("the last stage lacks %q:\n%s", want, last)
		}
	}
	if strings.Contains(last, "RUN ") || strings.Count(text, "FROM ") != 2 || !strings.HasSuffix(text, `CMD ["run"]`) {
		t.Error(text)
	}
}

// Built in two directories, the binary is the same to the byte. `make reproduce` does it without a cache.
func TestTheBinaryIsReproducible(t *testing.T) {
	t.Parallel()
	var sums [2]string
	for i := range sums {
		src := t.TempDir()
		cmd := exec.Command("sh", "-c", `git ls-files -z -co --exclude-standard -- go.mod go.sum '*.go' config.yaml deploy/build.sh | tar --null -T - -c | tar -x -C "$0" && cd "$0" && GOOS=linux GOARCH=arm64 VERSION=v1 COMMIT=c deploy/build.sh "$0/out" && sha256sum <out`, src)
		cmd.Dir = filepath.Join("..", "..")
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		sums[i] = string(said)
	}
	if sums[0] != sums[1] {
		t.Errorf("%s and %s", sums[0], sums[1])
	}
}
