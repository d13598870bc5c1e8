import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Browser from "../src/internal/browser.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as Testing from "../src/Testing.ts"

type Environment = Readonly<Record<string, string>>

/** Runs with these environment variables and no others, in place of the process's own. */
const within = (env: Environment) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { ...process.env }
      for (const name of Object.keys(process.env)) delete process.env[name]
      Object.assign(process.env, env)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const name of Object.keys(process.env)) delete process.env[name]
        Object.assign(process.env, before)
      })
  )

/** A directory with programs in it that note what they are given. */
const programs = (names: ReadonlyArray<string>, ending = "exit 0") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), "programs-"))
      for (const name of names) {
        const script = `#!/bin/sh\n{ printf '%s\\0' "${name}" "$#" "$@"; env -0; } > "${folder}/noted.tmp"\nmv "${folder}/noted.tmp" "${folder}/noted"\n${ending}\n`
        fs.writeFileSync(path.join(folder, name), script, { mode: 0o755 })
      }
      return folder
    }),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  )

const notedIn = (folder: string) => {
  const [program, count, ...rest] = fs.readFileSync(path.join(folder, "noted"), "utf8").split("\0")
  return { program, args: rest.slice(0, Number(count)), env: rest.slice(Number(count), -1) }
}

/** A property of the process, for as long as the scope. */
const replaced = (name: "platform" | "getBuiltinModule", value: unknown) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const own = Object.getOwnPropertyDescriptor(process, name)
      Object.defineProperty(process, name, { value, configurable: true, writable: true, enumerable: true })
      return own
    }),
    (own) =>
      Effect.sync(() => {
        if (own === undefined) Reflect.deleteProperty(process, name)
        else Object.defineProperty(process, name, own)
      })
  )

const hasPosixPrograms = process.platform !== "win32" && process.platform !== "darwin"

describe.runIf(hasPosixPrograms)("opening the system's browser", () => {
  const found = (folder: string, more: Environment = {}) => ({
    PATH: `${folder}:/usr/bin:/bin`,
    DISPLAY: ":0",
    ...more
  })

  it.scoped("gives the program the address as one argument, whatever is in it (S244)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"])
      yield* within(found(folder))
      for (const address of [
        "https://id.test/authorize?a=b&c=d",
        "https://id.test/$(id)?x=`id`",
        "https://id.test/;id|id&calc%20%22&echo",
        "https://id.test/?a='b'\"c\" d\ne",
        "https://-e/",
        "HTTP://127.0.0.1:1/--help"
      ]) {
        yield* Browser.open(address)
        const { args, program } = notedIn(folder)
        assert.deepStrictEqual([program, ...args], ["xdg-open", new URL(address).href])
        assert.match(args[0]!, /^https?:\/\/[\x21\x23-\x7e]+$/)
      }
    })
  )

  it.scoped("opens web addresses and nothing else: no program is started (S244)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"])
      yield* within(found(folder))
      const opens = (address: string) => Exit.isSuccess(Effect.runSyncExit(Effect.asVoid(Browser.open(address))))
      for (const address of [
        ...[
          "file:///etc/passwd",
          "javascript:alert(1)",
          "data:text/html,x",
          "vscode://x",
          "ms-msdt:/id",
          "ssh://-oX=y"
        ],
        ...["", "-e", "--help", "/bin/sh", "C:\\Windows\\System32\\calc.exe", "\\\\evil.test\\share", "//evil.test"]
      ]) {
        assert.strictEqual(yield* Effect.flip(Browser.open(address)), "it is no web address")
      }
      fc.assert(fc.property(fc.string(), (text) => /^\s*https?:/i.test(text) || !opens(text)))
      assert.isFalse(fs.existsSync(path.join(folder, "noted")))
    })
  )

  it.scoped("shows in its arguments what a login asks for, and no secret: everybody can list them (S032)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"])
      yield* within(found(folder))
      const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
      const provider = AuthorizationCode.make({
        issuer: id.issuer,
        clientId: "me",
        clientSecret: "c4nary",
        scope: ["read"],
        show: () => Effect.void
      })
      const need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" } as const
      const fiber = yield* Effect.fork(Effect.provide(provider.acquire(need), id.layer))
      const noted = path.join(folder, "noted")
      while (!fs.existsSync(noted)) yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))
      const { args } = notedIn(folder)
      assert.strictEqual(args.length, 1)
      assert.deepStrictEqual(Array.from(new URL(args[0]!).searchParams.keys()).sort(), [
        ...["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"]
      ])
      assert.notInclude(args[0], "c4nary")
      yield* Fiber.interrupt(fiber)
    })
  )

  it.scoped("keeps secrets of the environment from the program (S033)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"])
      yield* within(
        found(folder, { HOME: "/home/ada", CLIENT_SECRET: "c4nary", GITHUB_TOKEN: "c4nary", PGPASSWORD: "c4nary" })
      )
      yield* Browser.open("https://id.test/")
      const { env } = notedIn(folder)
      assert.include(env, "HOME=/home/ada")
      assert.include(env, "DISPLAY=:0")
      assert.notInclude(env.join("\n"), "c4nary")
    })
  )

  it.scoped("fails where there is no display, without starting anything (S223)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"])
      yield* within({ PATH: folder })
      assert.strictEqual(yield* Effect.flip(Browser.open("https://id.test/")), "there is no display")
      assert.isFalse(fs.existsSync(path.join(folder, "noted")))
    })
  )

  it.scoped("fails where the program is missing, or fails itself (S223)", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"], "exit 3")
      yield* within(found(folder))
      assert.strictEqual(yield* Effect.flip(Browser.open("https://id.test/")), "xdg-open failed")
      fs.rmSync(path.join(folder, "xdg-open"))
      process.env["PATH"] = folder
      assert.strictEqual(yield* Effect.flip(Browser.open("https://id.test/")), "xdg-open could not be started")
    })
  )

  it.scoped("prefers what BROWSER names, if that is one program, and goes on to the next if it fails", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["mine", "xdg-open"])
      yield* within(found(folder, { BROWSER: `${folder}/mine` }))
      yield* Browser.open("https://id.test/")
      assert.strictEqual(notedIn(folder).program, "mine")
      for (const other of [`${folder}/missing`, `${folder}/mine --new-window %s`, "mine:xdg-open"]) {
        process.env["BROWSER"] = other
        yield* Browser.open("https://id.test/")
        assert.strictEqual(notedIn(folder).program, "xdg-open")
      }
    })
  )

  it.scoped("below Windows it is Windows that opens it", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["wslview"])
      yield* within({ PATH: `${folder}:/usr/bin:/bin`, WSL_DISTRO_NAME: "Debian" })
      yield* Browser.open("https://id.test/")
      assert.strictEqual(notedIn(folder).program, "wslview")
    })
  )

  it.scoped("waits 3 seconds for a failure, and no longer: the program may be the browser itself", () =>
    Effect.gen(function* () {
      const folder = yield* programs(["xdg-open"], `while [ -e "$0" ]; do sleep 0.05; done`)
      yield* within(found(folder))
      // On Node: the others cannot tell.
      const processes = () =>
        "Deno" in globalThis || "Bun" in globalThis
          ? 0
          : process.getActiveResourcesInfo().filter((name) => name === "ProcessWrap").length
      const before = processes()
      const fiber = yield* Effect.fork(Browser.open("https://id.test/"))
      while (!fs.existsSync(path.join(folder, "noted")))
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      // And it keeps nobody from ending.
      assert.isAtMost(processes(), before)
    })
  )

  it.scoped("is what a login does if nobody says otherwise, and tells the person if it fails", () =>
    Effect.gen(function* () {
      yield* within({ PATH: "/nowhere" })
      const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
      const shown: Array<string> = []
      const enough = yield* Deferred.make<void>()
      const provider = AuthorizationCode.make({
        issuer: id.issuer,
        clientId: "me",
        show: (text) => (shown.push(text) === 2 ? Deferred.succeed(enough, undefined) : Effect.void)
      })
      const need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" } as const
      const fiber = yield* Effect.fork(Effect.provide(provider.acquire(need), id.layer))
      yield* Deferred.await(enough)
      assert.strictEqual(
        shown[1],
        "No browser could be opened (there is no display): please open the address yourself."
      )
      yield* Fiber.interrupt(fiber)
    })
  )
})

describe("opening a browser elsewhere", () => {
  it.scoped.each([
    ["win32", { SystemRoot: "D:\\Windows" }, "D:\\Windows\\System32\\rundll32.exe", ["url.dll,FileProtocolHandler"]],
    ["win32", {}, "C:\\Windows\\System32\\rundll32.exe", ["url.dll,FileProtocolHandler"]],
    ["darwin", {}, "/usr/bin/open", []]
  ] as const)(
    "on %s (%j) starts one program by its full path, without a shell (S244)",
    ([platform, env, program, args]) =>
      Effect.gen(function* () {
        yield* within(env as Environment)
        const started: Array<{ readonly program: string; readonly args: unknown; readonly shell: unknown }> = []
        const spawn = (program: string, args: unknown, { shell }: { readonly shell: unknown }) => {
          started.push({ program, args, shell })
          return { once: (event: string, end: (code: number) => void) => event === "exit" && end(0), unref: () => {} }
        }
        yield* replaced("platform", platform)
        yield* replaced("getBuiltinModule", () => ({ spawn }))
        yield* Browser.open("https://id.test/?a=b&calc")
        assert.deepStrictEqual(started, [{ program, args: [...args, "https://id.test/?a=b&calc"], shell: false }])
      })
  )
})

describe("a runtime without sockets and programs", () => {
  const without = replaced("getBuiltinModule", undefined)

  it.scoped("fails a login with what it needs, and nothing is asked of the server", () =>
    Effect.gen(function* () {
      yield* without
      const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
      const provider = AuthorizationCode.make({ issuer: id.issuer, clientId: "me" })
      const need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" } as const
      const error = yield* Effect.flip(Effect.provide(provider.acquire(need), id.layer))
      assert.strictEqual(error.reason._tag, "Source")
      assert.match(error.message, /this needs Node 20\.16 or newer, Bun or Deno/)
      assert.strictEqual(id.requests.length, 0)
      assert.match(yield* Effect.flip(Browser.open("https://id.test/")), /this needs Node 20\.16 or newer/)
    })
  )

  it.scoped("still does everything else: a login whose redirect is the caller's own", () =>
    Effect.gen(function* () {
      yield* without
      const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
      const login = yield* AuthorizationCode.start({
        issuer: id.issuer,
        clientId: "me",
        redirectUri: "https://app.test/callback"
      }).pipe(Effect.provide(id.layer))
      assert.match(login.url, /^https:\/\/id\.test\/authorize\?/)
    })
  )
})
