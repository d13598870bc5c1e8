/**
 * The raw operations on files, one Effect each. Nothing is decided here; a test puts another disk in its place and lets any of them fail.
 *
 * **At once, or by a thread** – to look something up, to link or to rename it takes the system some microseconds, and the way to a thread and back ten
 * times as many: so it is done at once. What waits for the disk itself is not: syncing, and giving back the room that a file takes, which a busy
 * disk was seen to take 60 ms for. Nothing is done at once on a file system behind a network.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import * as Node from "./node.ts"

/** Why an operation failed: the system's own short name of it, such as `ENOENT`. Its message is dropped. */
export type Errno = string

type Operation<A> = Effect.Effect<A, Errno>

/** What is known of a file without reading it. */
export interface Stat {
  readonly kind: "file" | "directory" | "link" | "other"
  readonly size: number
  readonly mtime: number
  readonly inode: number
  readonly uid: number
  readonly gid: number
  /** Who may do what: the last nine bits. */
  readonly mode: number
}

/** An open file or directory. */
export interface File {
  readonly stat: Operation<Stat>
  /** The bytes from where the last reading ended: so many, or fewer at the end. */
  readonly read: (most: number) => Operation<Uint8Array>
  readonly write: (bytes: Uint8Array) => Operation<void>
  readonly chmod: (mode: number) => Operation<void>
  readonly chown: (uid: number, gid: number) => Operation<void>
  readonly sync: Operation<void>
  readonly close: Operation<void>
}

/**
 * The operations. Each runs to its end: none can be interrupted, so that whoever opens also closes.
 */
export interface Disk {
  /** Who runs this program; undefined where files have no owners and modes of that kind. */
  readonly uid: number | undefined
  /** Whether a directory can be opened, to make what was renamed in it durable. */
  readonly opensDirectories: boolean
  /** The directory that a path is in. */
  readonly parentOf: (path: string) => string
  /** The path of a name in a directory. */
  readonly within: (directory: string, name: string) => string
  /** Opens what is there; a symbolic link is `ELOOP`, and a pipe is not waited for. */
  readonly openToRead: (path: string) => Operation<File>
  /** Opens a directory; a symbolic link is an error. */
  readonly openDirectory: (path: string) => Operation<File>
  /** Makes a file with mode 0600; whatever is there already, even a dangling link, is `EEXIST`. */
  readonly create: (path: string) => Operation<File>
  /** What is there, a link itself and not what it leads to. */
  readonly stat: (path: string) => Operation<Stat>
  readonly names: (path: string) => Operation<ReadonlyArray<string>>
  /** Makes a directory with mode 0700. */
  readonly makeDirectory: (path: string) => Operation<void>
  readonly removeDirectory: (path: string) => Operation<void>
  readonly chown: (path: string, uid: number, gid: number) => Operation<void>
  readonly rename: (from: string, to: string) => Operation<void>
  readonly unlink: (path: string) => Operation<void>
  /** Makes a symbolic link, which may lead anywhere or nowhere; whatever is there already is `EEXIST`. */
  readonly symlink: (target: string, path: string) => Operation<void>
  /** Where a symbolic link leads. */
  readonly readLink: (path: string) => Operation<string>
  /** Sets who may do what with what is there; a symbolic link is followed. */
  readonly chmod: (path: string, mode: number) => Operation<void>
  /** The number that the system has for the kind of file system that a path is on. */
  readonly fileSystem: (path: string) => Operation<number>
  /** The names in a directory that something happened to; undefined where the system does not say which. Fails where it cannot be watched. */
  readonly changes: (path: string) => Stream.Stream<string | undefined, Errno>
}

export const errnoOf = (error: unknown): Errno => {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  // Deno, of what its program may not do.
  if (name === "NotCapable") return "ENOTCAPABLE"
  return typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : "EUNKNOWN"
}

/**
 * Sixteen hexadecimal digits that no name has had before: the end of a UUID, of which 62 bits are random. The runtime makes those in stock, which is
 * quicker than to ask for so few bytes.
 */
export const unusedName: Effect.Effect<string> = Effect.sync(() => crypto.randomUUID().replaceAll("-", "").slice(16))

/** File systems that another machine may see as well, where sockets say nothing of the other machine's processes. By their numbers in Linux. */
const shared: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2
  0x01021997, // 9P
  0x65735546, // FUSE: sshfs, and the directories that virtual machines share
  0x00c36400, // Ceph
  0x5346414f, // AFS
  0x6b414653, // kAFS
  0x73757245, // Coda
  0x7461636f, // OCFS2
  0x01161970, // GFS2
  0x0bd00bd0, // Lustre
  0x786f4256, // VirtualBox
  0x47504653, // GPFS
  0x19830326 // BeeGFS
])

/** Asks the system for something, and makes something else of the answer. */
type Ask = <Name extends keyof Node.FileCalls, A = ReturnType<Node.FileCalls[Name]>>(
  name: Name,
  args: Parameters<Node.FileCalls[Name]>,
  as?: (answer: ReturnType<Node.FileCalls[Name]>) => A
) => Operation<A>

/** At once: everything else stands still meanwhile. */
const now =
  (files: Node.Files): Ask =>
  (name, args, as = identity as any) =>
    Effect.suspend(() => {
      try {
        return Exit.succeed(as((files[`${name}Sync`] as (...args: ReadonlyArray<any>) => any)(...args)))
      } catch (error) {
        return Exit.fail(errnoOf(error))
      }
    })

/** By a thread. */
const later =
  (files: Node.Files): Ask =>
  (name, args, as = identity as any) =>
    Effect.uninterruptible(
      Effect.async((resume) => {
        const done = (error: unknown, answer: any) =>
          resume(error ? Exit.fail(errnoOf(error)) : Exit.succeed(as(answer)))
        try {
          ;(files[name] as (...args: ReadonlyArray<any>) => void)(...args, done)
        } catch (error) {
          resume(Exit.fail(errnoOf(error)))
        }
      })
    )

const flags =
  (files: Node.Files) =>
  (name: string): number =>
    files.constants[name] ?? 0

const toRead = (files: Node.Files): number => {
  const flag = flags(files)
  return flag("O_RDONLY") | flag("O_NOFOLLOW") | flag("O_NONBLOCK")
}

const statOf = (stats: Node.Stats): Stat => ({
  kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "other",
  size: stats.size,
  mtime: stats.mtimeMs,
  inode: stats.ino,
  uid: stats.uid,
  gid: stats.gid,
  mode: stats.mode & 0o777
})

/** How the system is asked. What waits for the disk, or may be much, is left to a thread in any case. */
interface Ways {
  readonly ask: Ask
  /** For what may give back the room that a file takes. */
  readonly free: Ask
  readonly rename: Disk["rename"]
}

/**
 * At once, as the file that was there before keeps its room: it is open meanwhile, and closed by a thread that nobody waits for. To wake a thread takes
 * longer than to rename, so that comes after what follows.
 */
const renameOver =
  (files: Node.Files): Disk["rename"] =>
  (from, to) =>
    Effect.suspend(() => {
      let before: number | undefined
      try {
        before = files.openSync(to, toRead(files), 0)
      } catch (error) {
        // What cannot be opened cannot be kept.
        if (errnoOf(error) !== "ENOENT") return later(files)("rename", [from, to])
      }
      try {
        files.renameSync(from, to)
        return Effect.void
      } catch (error) {
        return Effect.fail(errnoOf(error))
      } finally {
        if (before !== undefined) queueMicrotask(() => files.close(before, () => {}))
      }
    })

const diskOf = (files: Node.Files, paths: Node.Paths, uid: number | undefined, { ask, free, rename }: Ways): Disk => {
  const thread = later(files)
  const flag = flags(files)

  const fileOf = (file: number): File => ({
    stat: ask("fstat", [file], statOf),
    read: (most) =>
      Effect.suspend(() => {
        const bytes = new Uint8Array(most)
        const from = (at: number): Operation<Uint8Array> =>
          Effect.flatMap(ask("read", [file, bytes, at, most - at, null]), (length) =>
            length === 0 || at + length === most ? Exit.succeed(bytes.subarray(0, at + length)) : from(at + length)
          )
        return from(0)
      }),
    write: (bytes) => {
      const from = (at: number): Operation<void> =>
        at < bytes.length
          ? Effect.flatMap(ask("write", [file, bytes, at, bytes.length - at, null]), (written) => from(at + written))
          : Effect.void
      return from(0)
    },
    chmod: (mode) => ask("fchmod", [file, mode]),
    chown: (uid, gid) => ask("fchown", [file, uid, gid]),
    sync: thread("fsync", [file]),
    close: ask("close", [file])
  })
  const open = (path: string, flags: number) => ask("open", [path, flags, 0o600], fileOf)

  return {
    uid,
    opensDirectories: Node.platform() !== "win32",
    parentOf: paths.dirname,
    within: paths.join,
    openToRead: (path) => open(path, toRead(files)),
    openDirectory: (path) => open(path, flag("O_RDONLY") | flag("O_DIRECTORY") | flag("O_NOFOLLOW")),
    create: (path) => open(path, flag("O_WRONLY") | flag("O_CREAT") | flag("O_EXCL") | flag("O_NOFOLLOW")),
    stat: (path) =>
      Effect.flatMap(ask("lstat", [path, { throwIfNoEntry: false }]), (stats) =>
        stats === undefined ? Exit.fail("ENOENT") : Exit.succeed(statOf(stats))
      ),
    names: (path) => thread("readdir", [path]),
    makeDirectory: (path) => Effect.asVoid(ask("mkdir", [path, { mode: 0o700 }])),
    removeDirectory: (path) => ask("rmdir", [path]),
    chown: (path, uid, gid) => ask("lchown", [path, uid, gid]),
    rename,
    unlink: (path) => free("unlink", [path]),
    symlink: (target, path) => ask("symlink", [target, path]),
    readLink: (path) => ask("readlink", [path]),
    chmod: (path, mode) => ask("chmod", [path, mode]),
    fileSystem: (path) => thread("statfs", [path], ({ type }) => type),
    changes: (path) =>
      Stream.asyncPush<string | undefined, Errno>(
        (emit) =>
          Effect.acquireRelease(
            Effect.try({
              try: () => {
                const watcher = files.watch(path, { persistent: false }, (_, name) => {
                  // Deno forgets it with every change, once this returns.
                  queueMicrotask(() => watcher.unref())
                  emit.single(name ?? undefined)
                })
                watcher.on("error", (error) => emit.fail(errnoOf(error)))
                watcher.unref()
                return watcher
              },
              catch: errnoOf
            }),
            (watcher) => Effect.sync(() => watcher.close())
          ),
        { bufferSize: 64, strategy: "sliding" }
      )
  }
}

const disks = Effect.map(Effect.all([Node.files, Node.paths, Node.uid]), ([files, paths, uid]) => {
  const [ask, wait] = [now(files), later(files)]
  const renameBy =
    (ask: Ask): Disk["rename"] =>
    (from, to) =>
      ask("rename", [from, to])
  // On Windows nothing takes the place of an open file.
  const rename = Node.platform() === "win32" ? renameBy(wait) : renameOver(files)
  return {
    files: diskOf(files, paths, uid, { ask, free: wait, rename }),
    links: diskOf(files, paths, uid, { ask, free: ask, rename: renameBy(ask) }),
    far: diskOf(files, paths, uid, { ask: wait, free: wait, rename: renameBy(wait) })
  }
})

/** A disk of this machine, or what is missing. */
export const disk: Effect.Effect<Disk, string> = Effect.map(disks, ({ files }) => files)

/** Whether a path, or the place where it will be, is on a file system that another machine may see as well. As far as the system tells. */
export const isShared = (disk: Disk, path: string): Effect.Effect<boolean> =>
  Node.platform() !== "linux"
    ? Effect.succeed(false)
    : Effect.matchEffect(disk.fileSystem(path), {
        onSuccess: (type) => Effect.succeed(shared.has(type >>> 0)),
        onFailure: (errno) =>
          errno === "ENOENT" && disk.parentOf(path) !== path
            ? isShared(disk, disk.parentOf(path))
            : Effect.succeed(false)
      })

/**
 * The disk that a directory is on, or will be: for who keeps files there, or nothing but links and sockets, which take no room. Where another machine
 * may be behind it, nothing stands still.
 */
export const of = (directory: string, what: "files" | "links"): Effect.Effect<Disk, string> =>
  Effect.flatMap(disks, (disks) =>
    Effect.map(isShared(disks.files, directory), (isShared) => (isShared ? disks.far : disks[what]))
  )
