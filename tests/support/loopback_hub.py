"""A hub on the loopback interface: as much of its HTTP API as publishing and downloading need.

It follows what ``huggingface_hub`` sends and reads where large files go to git-lfs, not to xet.
"""

from __future__ import annotations

import json
import os
import re
import threading
from base64 import b64decode
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

USER = "ann"
TOKEN = "hf_ann"
LFS_FROM = 10 * 2**20
"""Bytes of the smallest file that goes to git-lfs; the real hub looks at name and content too."""


def hub_environment(hub: LoopbackHub, home: Path) -> dict[str, str]:
    """The environment of a new process that knows this hub alone; ``home`` has its cache and settings.

    It does not help in this process: ``huggingface_hub`` reads its environment once, when imported.
    """
    foreign = re.compile("(HF_|HUGGING|TRANSFORMERS_).*|.*_PROXY", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)} | {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


class LoopbackHub(ThreadingHTTPServer):
    """Serves while its context lasts. Everybody may read, ``USER`` may write to what is their own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[tuple[str, str], dict[str, bytes]] = {}
        """Contents by path, by repository id and type."""
        self.large_files: dict[str, bytes] = {}
        """Contents in git-lfs by SHA-256."""
        self.commits: list[str] = []
        """Summaries, oldest first."""

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _RefusalError(Exception):
    def __init__(self, status: int, message: str, **details: str) -> None:
        self.status = status
        self.content = {"error": message, **details}
        self.headers = {"X-Error-Message": message, "X-Error-Code": details.get("code", "")}


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackHub

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"X-Request-Id": "Root=1-loopback"}
        try:
            status, content = 200, self.act(body, headers)
        except _RefusalError as error:
            status, content = error.status, error.content
            headers |= error.headers
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def act(self, body: bytes, headers: dict[str, str]) -> Any:
        if self.headers.get("Authorization", f"Bearer {TOKEN}") != f"Bearer {TOKEN}":
            raise _RefusalError(401, "Invalid credentials in Authorization header")
        path = unquote(urlsplit(self.path).path)
        match [self.command.replace("HEAD", "GET"), *path.split("/")[1:]]:
            case ["POST", "api", "repos", "create"]:
                wanted = json.loads(body)
                return self.create(wanted["organization"] or USER, wanted["name"], wanted["type"])
            case ["POST", "api", "validate-yaml"]:
                return {}
            case ["POST", "api", kind, owner, name, "preupload", "main"]:
                self.check_right(owner)
                there = self.files(owner, name, kind)
                return {"files": [_upload_of(file, there) for file in json.loads(body)["files"]]}
            case ["POST", *_, "info", "lfs", "objects", "batch"]:
                return {"objects": [self.transfer_of(file) for file in json.loads(body)["objects"]]}
            case ["PUT", "lfs", oid] if oid == sha256(body).hexdigest():
                self.server.large_files[oid] = body
                return {}
            case ["POST", "api", kind, owner, name, "commit", "main"]:
                self.check_right(owner)
                return self.commit(owner, name, kind, [json.loads(line) for line in body.splitlines()])
            case ["GET", "api", kind, owner, name, "auth-check", "write"]:
                self.check_right(owner)
                return {"files": len(self.files(owner, name, kind))}
            case ["GET", "api", kind, owner, name] | ["GET", "api", kind, owner, name, "revision", "main"]:
                return {"id": f"{owner}/{name}", "sha": _commit_of(self.files(owner, name, kind))}
            case ["GET", "api", kind, owner, name, "tree", _]:
                files = self.files(owner, name, kind).items()
                return [{"type": "file", "path": p, "size": len(c), "oid": _oid_of(c)} for p, c in files]
            case ["GET", owner, name, "resolve", commit, *parts]:
                content = self.files(owner, name, "models")["/".join(parts)]
                headers |= {"X-Repo-Commit": commit, "ETag": f'"{_oid_of(content)}"'}
                return content
        raise _RefusalError(404, f"This hub does not know {self.command} {path}.")

    def create(self, owner: str, name: str, repo_type: str) -> dict[str, str]:
        self.check_right(owner)
        url = self.url_of(owner, name, f"{repo_type}s")
        if (f"{owner}/{name}", repo_type) in self.server.repositories:
            raise _RefusalError(409, f"You already created this {repo_type} repo", url=url)
        self.server.repositories[f"{owner}/{name}", repo_type] = {}
        return {"url": url}

    def transfer_of(self, file: dict[str, Any]) -> dict[str, Any]:
        if file["oid"] in self.server.large_files:
            return file
        return {**file, "actions": {"upload": {"href": f"{self.server.url}/lfs/{file['oid']}"}}}

    def commit(self, owner: str, name: str, kind: str, lines: list[dict[str, Any]]) -> dict[str, str]:
        files = self.files(owner, name, kind)
        header, *changes = (line["value"] for line in lines)
        for change in changes:
            is_large = "oid" in change
            content = self.server.large_files[change["oid"]] if is_large else b64decode(change["content"])
            files[change["path"]] = content
        self.server.commits.append(header["summary"])
        commit = _commit_of(files)
        return {"commitOid": commit, "commitUrl": f"{self.url_of(owner, name, kind)}/commit/{commit}"}

    def check_right(self, owner: str) -> None:
        if "Authorization" not in self.headers:
            raise _RefusalError(401, "Invalid username or password.")
        if owner != USER:
            raise _RefusalError(403, f"You don't have the rights to write as {owner}")

    def files(self, owner: str, name: str, kind: str) -> dict[str, bytes]:
        repository = f"{owner}/{name}", kind.removesuffix("s")
        if repository not in self.server.repositories:
            raise _RefusalError(404, "Repository not found", code="RepoNotFound")
        return self.server.repositories[repository]

    def url_of(self, owner: str, name: str, kind: str) -> str:
        return "/".join([self.server.url, *(["datasets"] if kind == "datasets" else []), owner, name])


def _upload_of(file: dict[str, Any], there: dict[str, bytes]) -> dict[str, Any]:
    path, mode = file["path"], "lfs" if file["size"] >= LFS_FROM else "regular"
    oid = _oid_of(there[path]) if path in there else None
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def _oid_of(content: bytes) -> str:
    if len(content) >= LFS_FROM:
        return sha256(content).hexdigest()
    return sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()


def _commit_of(files: dict[str, bytes]) -> str:
    oids = sorted((path, _oid_of(content)) for path, content in files.items())
    return sha1(repr(oids).encode()).hexdigest()
