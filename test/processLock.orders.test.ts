/**
 * The lock among processes on a disk in memory, under a scheduler that runs them in random order: a process may sleep between any two operations, for as long as others
 * take to have the lock several times, and may end there.
 */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import type { Disk, Errno, Stat } from "../src/internal/disk.ts"
import type { Answer } from "../src/internal/lifeline.ts"
import * as ProcessLock from "../src/internal/processLock.ts"
import { type Process, seeds, type World } from "./support/SeededScheduler.ts"

const count = Number(process.env["SEEDS"] ?? 100)
const directory = "/locks"

interface Socket {
  readonly kind: "socket"
  readonly of: Process
  readonly ended: Deferred.Deferred<void>
  isClosed: boolean
}
type Node = Socket | { readonly kind: "link"; readonly target: string }

const isAlive = (socket: Socket): boolean => !socket.isClosed && socket.of.isAlive()

/** A directory of links and sockets, which processes share. */
const memory = (world: World, faults: number) => {
  const nodes = new Map<string, Node>()
  const sockets = new Set<Socket>()

  /** Before each operation anything else may happen: now and then very much. */
  const operation = <A>(run: () => Effect.Effect<A, Errno>): Effect.Effect<A, Errno> =>
    Effect.zipRight(
      Effect.suspend(() => world.pause(world.random() < 0.1 ? 150 : 3)),
      Effect.suspend(() => (world.random() < faults ? Effect.fail("EIO") : run()))
    )
  const at = <A>(path: string, found: (node: Node) => Effect.Effect<A, Errno>): Effect.Effect<A, Errno> =>
    operation(() => {
      const node = nodes.get(path)
      return node === undefined ? Effect.fail("ENOENT") : found(node)
    })
  const making = <A>(path: string, node: Node, made: A): Effect.Effect<A, Errno> =>
    operation(() => {
      if (nodes.has(path)) return Effect.fail("EEXIST")
      nodes.set(path, node)
      return Effect.succeed(made)
    })
  const never = () => Effect.die("nobody needs that")

  const disk: Disk = {
    uid: 1000,
    opensDirectories: true,
    parentOf: () => "/",
    within: (directory, name) => `${directory}/${name}`,
    openToRead: () => Effect.fail("ENOENT"),
    openDirectory: never,
    create: never,
    makeDirectory: never,
    removeDirectory: never,
    chown: never,
    changes: () => Stream.die("nobody needs that"),
    fileSystem: () => Effect.succeed(0xef53),
    chmod: (path) => at(path, () => Effect.void),
    stat: (path) => at(path, () => Effect.succeed({ kind: "other", uid: 1000 } as Stat)),
    names: () => operation(() => Effect.succeed([...nodes.keys()].map((path) => path.slice(directory.length + 1)))),
    rename: (from, to) =>
      at(from, (node) => {
        nodes.delete(from)
        nodes.set(to, node)
        return Effect.void
      }),
    unlink: (path) => at(path, () => Effect.sync(() => void nodes.delete(path))),
    symlink: (target, path) => making(path, { kind: "link", target }, undefined),
    readLink: (path) => at(path, (node) => (node.kind === "link" ? Effect.succeed(node.target) : Effect.fail("EINVAL")))
  }

  const socketsOf = (of: Process): ProcessLock.Sockets => ({
    listen: (path) =>
      Effect.suspend(() => {
        const socket: Socket = { kind: "socket", of, ended: Deferred.unsafeMake<void>(FiberId.none), isClosed: false }
        sockets.add(socket)
        const close = Effect.andThen(world.pause(3), () => {
          socket.isClosed = true
          Deferred.unsafeDone(socket.ended, Exit.void)
        })
        return making(path, socket, { close })
      }),
    watch: (path) =>
      Effect.catchAll(
        at(path, (node): Effect.Effect<Answer> =>
          Effect.succeed(
            node.kind === "socket" && isAlive(node)
              ? { ended: Deferred.await(node.ended), close: Effect.void }
              : "refused"
          )
        ),
        (errno) => (errno === "ENOENT" ? Effect.succeed("missing" as const) : Effect.fail(errno))
      )
  })

  return {
    socketsOf,
    disk,
    names: () => [...nodes.keys()],
    /** What the system does for a process that is no more. */
    bury: (process: Process) => {
      for (const socket of sockets) if (socket.of === process) Deferred.unsafeDone(socket.ended, Exit.void)
    }
  }
}

interface Plan {
  readonly processes: number
  /** How often each wants the lock. */
  readonly turns: number
  /** How many processes are killed, each at any moment; another one takes the place of each. */
  readonly kills: number
  /** How many of the operations fail, 0 to 1. */
  readonly faults: number
}

/** Lets processes take the lock until all are done: how often they had it, and what they left behind. */
const play = (world: World, { faults, kills, processes, turns }: Plan) => {
  const { bury, disk, names, socketsOf } = memory(world, faults)
  const failures: Array<string> = []
  let inside: Process | undefined
  let served = 0

  const start = (): Process => {
    const process = world.process()
    const lock = ProcessLock.makeOn(disk, directory, ProcessLock.ledger(disk, directory, socketsOf(process)))
    const alone = Effect.suspend(() => {
      if (inside !== undefined) failures.push("two hold the lock")
      inside = process
      return Effect.andThen(world.pause(6), () => {
        inside = undefined
        served++
      })
    })
    const turn = Effect.retry(lock.withLock("a", Duration.infinity)(alone), { while: () => faults > 0 })
    const fiber = process.fork(Effect.repeatN(turn, turns - 1))
    fiber.addObserver((exit) => Exit.isFailure(exit) && failures.push(String(exit.cause)))
    return process
  }

  const running = Array.from({ length: processes }, start)
  for (let kill = 0; kill < kills; kill++) {
    world.fork(
      Effect.andThen(world.pause(400), () => {
        const index = world.below(processes)
        const victim = running[index]!
        victim.kill()
        if (inside === victim) inside = undefined
        bury(victim)
        running[index] = start()
      })
    )
  }
  world.settle()
  assert.deepStrictEqual(failures, [])
  return { served, names: names() }
}

it.each([2, 3, 4])("of %i processes one has it at a time, and each in the end, whoever sleeps (S169)", (processes) =>
  seeds(count, (world) => {
    const { names, served } = play(world, { processes, turns: 3, kills: 0, faults: 0 })
    assert.strictEqual(served, 3 * processes)
    assert.deepStrictEqual(names, [`${directory}/a.lock`])
  })
)

it.each([2, 3])("of %i processes one has it at a time, and each in the end, whoever is killed (S169)", (processes) =>
  seeds(count, (world) => {
    const { served } = play(world, { processes, turns: 2, kills: 3, faults: 0 })
    assert.isAtLeast(served, 2 * processes)
  })
)

it("of three processes one has it at a time, and each in the end, whatever fails (S169)", () =>
  seeds(count, (world) => {
    const { served } = play(world, { processes: 3, turns: 2, kills: 1, faults: 0.03 })
    assert.isAtLeast(served, 6)
  }))
