//! The reader of Protocol Buffers beside the reference compiler, over the documents of the corpus: the same definitions on the same lines.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::indexing_slicing)] // Helpers of tests are tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog::readers::{Files, protobuf};
use shared::surface::{ElementId, OperationKind, Shape, Surface};

/// Prints what the compiler makes of files: every definition with its file and line. Arguments: the folder of the files, then the files.
const COMPILE: &str = r#"
import os, sys, sysconfig, tempfile
from grpc_tools import protoc
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2 as d
folder, files = sys.argv[1], sys.argv[2:]
packages = sysconfig.get_paths()['purelib']
scratch = tempfile.TemporaryDirectory()
out = os.path.join(scratch.name, 'set')
# The package has this file under another name.
os.makedirs(os.path.join(scratch.name, 'google/longrunning'))
with open(os.path.join(scratch.name, 'google/longrunning/operations.proto'), 'w') as file:
    file.write('syntax = "proto3"; import public "google/longrunning/operations_proto.proto";')
code = protoc.main(['protoc', '-I', folder, '-I', packages, '-I', scratch.name, '-I', os.path.join(os.path.dirname(protoc.__file__), '_proto'),
    '--include_source_info', '--descriptor_set_out=' + out] + files)
if code: sys.exit(code)
found = []
for f in d.FileDescriptorSet.FromString(open(out, 'rb').read()).file:
    lines = {tuple(l.path): l.span[0] + 1 for l in f.source_code_info.location}
    def tell(kind, name, path, more=''): found.append('%s %s %s:%d %s' % (kind, name, f.name, lines[tuple(path)], more))
    def field(x, of, path):
        tell('field', ('[%s.%s]' % (of, x.name) if of else '[%s]' % x.name) if x.extendee else of + '.' + x.name, path, str(x.number))
    def enum(e, scope, path):
        name = scope + e.name
        tell('enum', name, path)
        for i, v in enumerate(e.value): tell('value', name + '.' + v.name, path + [2, i], str(v.number))
    def message(m, scope, path):
        name = scope + m.name
        tell('message', name, path)
        for i, x in enumerate(m.field): field(x, name, path + [2, i])
        for i, x in enumerate(m.extension): field(x, name, path + [6, i])
        for i, n in enumerate(m.nested_type):
            if not n.options.map_entry: message(n, name + '.', path + [3, i])
        for i, e in enumerate(m.enum_type): enum(e, name + '.', path + [4, i])
    scope = f.package + '.' if f.package else ''
    for i, m in enumerate(f.message_type): message(m, scope, [4, i])
    for i, e in enumerate(f.enum_type): enum(e, scope, [5, i])
    for i, x in enumerate(f.extension): field(x, f.package, [7, i])
    for i, s in enumerate(f.service):
        for j, m in enumerate(s.method):
            http = []
            rule = m.options.Extensions[annotations_pb2.http]
            for r in [rule] + list(rule.additional_bindings):
                kind = r.WhichOneof('pattern')
                if kind == 'custom': http.append(r.custom.kind + ' ' + r.custom.path + ' ' + r.body)
                elif kind: http.append(kind.upper() + ' ' + getattr(r, kind) + ' ' + r.body)
            tell('rpc', scope + s.name + '/' + m.name, [6, i, 2, j], '%s %s %s' % (m.client_streaming, m.server_streaming, http))
print('\n'.join(found))
"#;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus")
}

/// A folder of `.proto` files as an upload.
fn gather(folder: &Path, base: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, base, files);
        } else if path.extension().is_some_and(|ending| ending == "proto") {
            let name = path.strip_prefix(base).unwrap().to_str().unwrap();
            files.add(name, std::fs::read(&path).unwrap());
        }
    }
}

fn compiled(python: &Path, folder: &Path, roots: &[&str]) -> Result<BTreeSet<String>, String> {
    let output = Command::new(python).args(["-c", COMPILE]).arg(folder).args(roots).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The same lines from a surface, of the files that are roots.
fn ours(surface: &Surface, roots: &[&str]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut tell = |kind: &str, name: &str, element: ElementId, more: &str| {
        let position = surface.position(element).unwrap();
        let file = &*surface.files[position.file as usize].0;
        if position.line > 0 && roots.contains(&file) {
            told.insert(format!("{kind} {name} {file}:{} {more}", position.line).trim_end().to_owned());
        }
    };
    let number = |element| surface.facet(element, "protobuf.number").unwrap().text().to_owned();
    for ty in &surface.types {
        let name = ty.name.text();
        match &ty.shape {
            Shape::Record(record) => {
                tell("message", name, ty.element, "");
                for field in &record.fields {
                    let path = if field.name.starts_with('[') {
                        field.name.to_string()
                    } else {
                        format!("{name}.{}", field.name)
                    };
                    tell("field", &path, field.element, &number(field.element));
                }
            }
            Shape::Enum(found) => {
                tell("enum", name, ty.element, "");
                for value in &found.values {
                    let path = format!("{name}.{}", value.value.as_text().unwrap());
                    tell("value", &path, value.element, &number(value.element));
                }
            }
            _ => {}
        }
    }
    for operation in &surface.operations {
        let OperationKind::Rpc { client_streams, server_streams, .. } = operation.kind else { panic!("no method") };
        let http: Vec<String> = operation
            .http
            .iter()
            .map(|binding| format!("'{} {} {}'", binding.method, binding.path, binding.body))
            .collect();
        let word = |value: bool| if value { "True" } else { "False" };
        let more = format!("{} {} [{}]", word(client_streams), word(server_streams), http.join(", "));
        tell("rpc", &operation.id, operation.element, &more);
    }
    told
}

/// The folders of the corpus that are uploads, each with its roots: all of its files where none is named.
fn uploads(corpus: &Path, unpacked: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(corpus.join(path)).unwrap()).unwrap()
    };
    let mut uploads = Vec::new();
    for document in json("index.json").as_array().unwrap() {
        if document["format"] == "protobuf" && document["malformed"] != true {
            let main = document["main"].as_str().unwrap();
            let (folder, file) = main.split_once('/').unwrap();
            let id = document["id"].as_str().unwrap();
            uploads.push(match file.strip_prefix(&format!("{id}/")) {
                Some(file) => (corpus.join(folder).join(id), vec![file.to_owned()]),
                None => (corpus.join(folder), vec![file.to_owned()]),
            });
        }
    }
    for pair in json("changes/manifest.json").as_array().unwrap() {
        if pair["format"] == "protobuf" {
            for side in ["before", "after"] {
                let folder = corpus.join("changes").join(pair[side].as_str().unwrap());
                // Some have their import root one folder below.
                let below = folder.join("root");
                uploads.push((if below.is_dir() { below } else { folder }, Vec::new()));
            }
        }
    }
    // Its sibling `after` is cut off within a file.
    let large = unpacked.join("large");
    std::fs::create_dir_all(&large).unwrap();
    let archive = corpus.join("large/googleapis-before.tar.gz");
    assert!(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&large).status().unwrap().success());
    uploads.push((large, Vec::new()));
    uploads
}

/// What is read of a folder of which all files are roots.
fn whole(folder: &Path) -> Surface {
    let mut files = Files::default();
    gather(folder, folder, &mut files);
    let roots: Vec<&str> = files.paths().collect();
    protobuf::read(&files, &roots).unwrap_or_else(|refused| panic!("{}: {refused:?}", folder.display())).0
}

#[test]
fn damaged_documents_are_refused_and_pairs_differ_as_the_corpus_says() {
    let corpus = corpus();
    if !corpus.join("index.json").exists() {
        eprintln!("SKIPPED: there is no corpus beside the repository");
        return;
    }
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(corpus.join(path)).unwrap()).unwrap()
    };
    let scoring = json("scoring.json");
    let mut damaged = 0;
    for document in json("index.json").as_array().unwrap() {
        if document["format"] != "protobuf" || document["malformed"] != true {
            continue;
        }
        let (id, main) = (document["id"].as_str().unwrap(), document["main"].as_str().unwrap());
        let read = protobuf::read(&Files::one(main, std::fs::read(corpus.join(main)).unwrap()), &[main]);
        match read {
            Ok((_, warnings)) => {
                assert!(scoring["documents"]["either"][id].is_string(), "{id} is read");
                assert!(!warnings.finish().is_empty(), "{id} is read without a warning");
            }
            Err(refused) => assert!(refused.line.is_some(), "{id}: {refused:?}"),
        }
        damaged += 1;
    }
    let mut pairs = 0;
    for pair in json("changes/manifest.json").as_array().unwrap() {
        if pair["format"] == "protobuf" {
            let side = |name: &str| whole(&corpus.join("changes").join(pair[name].as_str().unwrap())).digest;
            // One of those that break nobody is a change of white space and comments alone.
            let is_same = pair["verdict"] == "identical" || pair["id"] == "protobuf-real-006";
            assert_eq!(side("before") == side("after"), is_same, "{}", pair["id"]);
            pairs += 1;
        }
    }
    assert!(damaged >= 3 && pairs >= 13);
}

#[test]
#[ignore = "needs protoc, which cargo ci installs"]
fn the_corpus_is_read_as_the_compiler_reads_it() {
    let Some(python) = std::env::var_os("DOORWAY_TOOLS").map(|tools| PathBuf::from(tools).join("python")) else {
        eprintln!("SKIPPED: DOORWAY_TOOLS does not name the folder of Python");
        return;
    };
    let corpus = corpus();
    if !corpus.join("index.json").exists() {
        eprintln!("SKIPPED: there is no corpus beside the repository");
        return;
    }
    let unpacked = tempfile::tempdir().unwrap();
    let (mut count, mut operations) = (0, 0);
    for (folder, roots) in uploads(&corpus, unpacked.path()) {
        let mut files = Files::default();
        gather(&folder, &folder, &mut files);
        let roots: Vec<&str> =
            if roots.is_empty() { files.paths().collect() } else { roots.iter().map(String::as_str).collect() };
        if roots.is_empty() {
            continue;
        }
        let theirs = compiled(&python, &folder, &roots).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let (surface, _) = protobuf::read(&files, &roots).unwrap();
        let ours = ours(&surface, &roots);
        let missing: Vec<&String> = theirs.difference(&ours).take(5).collect();
        let more: Vec<&String> = ours.difference(&theirs).take(5).collect();
        assert!(missing.is_empty() && more.is_empty(), "{}: missing {missing:#?}, more {more:#?}", folder.display());
        operations += surface.operations.len();
        count += 1;
    }
    println!("{count} uploads, {operations} operations: the same definitions on the same lines");
    assert!(count > 30 && operations > 1_800);
}
