/** Real programs, written by the test: what matters here is what the operating system does. */
import * as PlatformCommand from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { SystemError } from "@effect/platform/Error"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as TestServices from "effect/TestServices"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Credentials from "../../src/Credentials.ts"
import type { InvalidOption, RefreshError } from "../../src/CredentialsError.ts"
import * as Program from "../../src/internal/program.ts"
import * as Provider from "../../src/Provider.ts"
import * as Command from "../../src/providers/Command.ts"
import type { Token } from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "command-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

let count = 0
/** A program that does what a shell script says; its absolute path. */
const program = (script: string): string => {
  const file = path.join(folder, `program-${++count}`)
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return file
}

const run = (options: Command.Options): Effect.Effect<Token, RefreshError | InvalidOption> =>
  Effect.scoped(Effect.flatMap(Credentials.make(Command.make(options)), (credentials) => credentials.token)).pipe(
    Effect.provide(NodeContext.layer),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

const messageOf = (options: Command.Options) => Effect.map(Effect.flip(run(options)), ({ message }) => message)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A zombie has ended; only its parent has not looked yet.
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** The process ids that a program has written down. */
const pids = (file: string): ReadonlyArray<number> =>
  fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split(/\s+/).map(Number) : []

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.zipRight(Effect.sleep("10 millis"), until(condition))))

describe.skipIf(process.platform === "win32")("Command", () => {
  contract<CommandExecutor.CommandExecutor>({
    name: "Command",
    make: () => Command.make({ command: program("echo c4nary-0123456789") }),
    failing: () => Command.make({ command: program("echo c4nary-0123456789; echo c4nary-0123456789 >&2; exit 3") }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, NodeContext.layer))
  })

  describe("takes as a token", () => {
    it.effect.each([
      ["one line", "echo t0ken"],
      ["one without a line break", "printf t0ken"],
      ["one of Windows", String.raw`printf 't0ken\r\n'`],
      ["one with a byte order mark", String.raw`printf '\357\273\277t0ken\n'`],
      ["one with warnings on standard error", "echo 'WARNING: update available' >&2; echo t0ken; echo more >&2"]
    ])("%s (S245)", ([, script]) =>
      Effect.gen(function* () {
        const token = yield* run({ command: program(script!) })
        assert.strictEqual(show(token), "t0ken")
        assert.isTrue(Option.isNone(token.expiresAt))
      })
    )

    it.effect.each([
      ["nothing", "true", "printed nothing"],
      ["blanks", "echo; echo ' '", "printed nothing"],
      ["two lines", "echo a; echo b", "something else than one token on one line"],
      ["JSON", `echo '{"access_token":"c4nary"}'`, "something else than one token on one line"],
      ["a sentence", "echo you have to log in", "something else than one token on one line"],
      ["HTML", "echo '<html><body>502</body></html>x y'", "something else than one token on one line"],
      ["bytes", String.raw`printf '\377\376'`, "something that is not UTF-8 text"]
    ])("not %s (S245)", ([, script, description]) =>
      Effect.map(messageOf({ command: program(script!) }), (message) => assert.include(message, description!))
    )
  })

  it.effect(
    "an exit code other than 0 is an error, whatever was printed; the last line of the complaint is told (S245)",
    () =>
      Effect.gen(function* () {
        const message = yield* messageOf({
          command: program("echo c4nary; echo first >&2; echo 'ERROR: no active account' >&2; echo >&2; exit 7")
        })
        assert.match(
          message,
          /^Command: \S+ failed with exit code 7 \(ERROR: no active account\); run it by hand to see more$/
        )
      })
  )

  it.effect("a complaint shows no secret and no control character (S258, S030)", () =>
    Effect.gen(function* () {
      const secrets = ["ya29.a0AfB_byC4nary0123456789", "C4naryC4naryC4naryC4nary", "c4nary"]
      const message = yield* messageOf({
        command: program(
          String.raw`printf '\033[31mERROR\033[0m for ${secrets[0]} and ${secrets[1]}, password: ${secrets[2]}, Bearer ${secrets[2]} in /home/me/.config/gcloud/x.db\n' >&2; exit 1`
        )
      })
      assert.include(message, "ERROR for … and …, password: … Bearer … in /home/me/.config/gcloud/x.db")
      for (const secret of secrets) assert.notInclude(message, secret)
    })
  )

  it.effect("a program that was killed is an error", () =>
    Effect.map(messageOf({ command: program("echo t0ken; kill -9 $$") }), (message) =>
      assert.include(message, "was killed")
    )
  )

  it.effect("a program that is not there, or may not be run, says what to do (S250)", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* messageOf({ command: "no-such-program-anywhere" }),
        "Command: no-such-program-anywhere was not found: install it, or check PATH"
      )
      assert.strictEqual(
        yield* messageOf({ command: "no-such-program-anywhere", installHint: "see https://example.com" }),
        "Command: no-such-program-anywhere was not found: see https://example.com"
      )
      const locked = program("echo t0ken")
      fs.chmodSync(locked, 0o644)
      assert.include(yield* messageOf({ command: locked }), "may not be run: check its permissions")
      assert.include(
        yield* messageOf({ command: program("echo t0ken"), workingDirectory: path.join(folder, "gone") }),
        "the working directory of"
      )
    })
  )

  it.effect("looks for it in PATH, but not in places that depend on the current directory (S250)", () =>
    Effect.gen(function* () {
      const bin = fs.mkdtempSync(path.join(folder, "bin-"))
      fs.writeFileSync(path.join(bin, "my-token"), "#!/bin/sh\necho t0ken\n", { mode: 0o755 })
      const options = { command: "my-token", workingDirectory: bin }
      assert.strictEqual(show(yield* run({ ...options, environment: { PATH: `${bin}:/usr/bin:/bin` } })), "t0ken")
      for (const PATH of [".:/usr/bin:/bin", ":/usr/bin:/bin", "./:/usr/bin:/bin", "/usr/bin:/bin:"]) {
        assert.include(yield* messageOf({ ...options, environment: { PATH } }), "was not found", PATH)
      }
    })
  )

  it.effect("passes every argument on as it is: no shell looks at it (S251)", () =>
    Effect.gen(function* () {
      const args = ["a b", "$(id)", "`id`", "&calc", "'\"", "--account=x;y", "", "ü\n|"]
      const out = path.join(folder, "args")
      yield* run({ command: program(`printf '%s\\0' "$@" > '${out}'; echo t0ken`), args })
      assert.deepStrictEqual(fs.readFileSync(out, "utf8").split("\0").slice(0, -1), args)
    })
  )

  it.effect("has nothing on its standard input (S249)", () =>
    Effect.gen(function* () {
      assert.strictEqual(show(yield* run({ command: program("cat; echo t0ken") })), "t0ken")
      assert.include(yield* messageOf({ command: program("read answer || exit 4") }), "exit code 4")
    })
  )

  it.effect.each([
    "ERROR: (gcloud.auth.print-access-token) Reauthentication failed. cannot prompt during non-interactive execution.",
    "You do not currently have an active account selected. Please run:\n\n  $ gcloud auth login\n",
    "ERROR: Please run 'az login' to setup account.",
    "The SSO session has expired. To refresh it run aws sso login with the corresponding profile."
  ])("that would ask a person fails as a login that is needed: %j (S249)", (complaint) =>
    Effect.gen(function* () {
      const file = path.join(folder, "complaint")
      fs.writeFileSync(file, complaint)
      const error = yield* Effect.flip(run({ command: program(`cat '${file}' >&2; exit 1`) }))
      assert.deepInclude("reason" in error && error.reason, {
        _tag: "ReauthenticationRequired",
        subtype: "interaction_required"
      })
    })
  )

  it.effect.each([
    "the login of robot failed",
    "Failed to resolve login.example.com: try again later",
    "running in non-interactive mode; HTTP 503 from https://id.example.com/oauth/login",
    "could not use the login cache: disk full"
  ])("a complaint about a login that failed is no login that is needed: %s", (complaint) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run({ command: program(`echo '${complaint}' >&2; exit 1`) }))
      assert.strictEqual("reason" in error && error.reason._tag, "Source")
    })
  )

  it.live("one whose database others have locked is run once more, and no more often (S253)", () =>
    Effect.gen(function* () {
      const lock = path.join(folder, "database")
      const runs = path.join(folder, "runs")
      const complain = "echo 'sqlite3.OperationalError: database is locked' >&2; exit 1"
      // Two names: those of one name take turns.
      const gclouds = [1, 2].map(() =>
        program(`echo >> '${runs}'; mkdir '${lock}' 2>/dev/null || { ${complain}; }
        sleep 0.1; rmdir '${lock}'; echo t0ken`)
      )
      const tokens = yield* Effect.forEach(gclouds, (command) => run({ command }), { concurrency: 2 })
      assert.deepStrictEqual(tokens.map(show), ["t0ken", "t0ken"])
      fs.rmSync(runs)
      const error = yield* Effect.flip(run({ command: program(`echo >> '${runs}'; ${complain}`) }))
      assert.isTrue("isRetryable" in error && error.isRetryable)
      assert.strictEqual(fs.readFileSync(runs, "utf8").length, 2)
    })
  )

  it.effect("runs once at a time in one process, whatever it is asked for (S253)", () =>
    Effect.gen(function* () {
      const command = program(`mkdir "$0.lock" || exit 1; sleep 0.05; rmdir "$0.lock"; echo t0ken-$1`)
      const tokens = yield* Effect.forEach(["a", "b", "c", "d"], (account) => run({ command, args: [account] }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(tokens.map(show), ["t0ken-a", "t0ken-b", "t0ken-c", "t0ken-d"])
    })
  )

  it.effect("whoever waits for a turn may leave, and those behind still have theirs (S253)", () =>
    Effect.gen(function* () {
      const command = program(`echo >> "$0.runs"; until [ -e "$0.go" ]; do sleep 0.01; done; echo t0ken`)
      const [first, second, third] = yield* Effect.forEach([1, 2, 3], () => Effect.fork(run({ command })))
      yield* until(() => fs.existsSync(`${command}.runs`)).pipe(TestServices.provideLive)
      yield* Fiber.interrupt(second!)
      fs.writeFileSync(`${command}.go`, "")
      assert.deepStrictEqual([show(yield* Fiber.join(first!)), show(yield* Fiber.join(third!))], ["t0ken", "t0ken"])
      assert.strictEqual(fs.readFileSync(`${command}.runs`, "utf8").length, 2)
    })
  )

  it.effect("has its time from its start, however long it had to wait for its turn (S253)", () =>
    Effect.gen(function* () {
      const command = program(`echo >> "$0.runs"; until [ -e "$0.go" ]; do sleep 0.01; done
        echo '{"access_token":"t0ken","expires_in":10}'`)
      const first = yield* Effect.fork(run({ command, parse: {}, timeLimit: "1 hour" }))
      yield* until(() => fs.existsSync(`${command}.runs`)).pipe(TestServices.provideLive)
      const second = yield* Effect.fork(run({ command, parse: {}, timeLimit: "1 second" }))
      yield* TestClock.adjust("59 minutes")
      fs.writeFileSync(`${command}.go`, "")
      yield* Fiber.join(first)
      const token = yield* Fiber.join(second)
      assert.deepStrictEqual(token.issuedAt.epochMillis, Duration.toMillis("59 minutes"))
      assert.isTrue(Option.exists(token.expiresAt, (at) => at.epochMillis > token.issuedAt.epochMillis))
    })
  )

  it.effect("is run by one at a time where a store is shared, and the others take what it brought (S253)", () =>
    Effect.gen(function* () {
      const lock = path.join(folder, "alone")
      const gcloud = program(`mkdir '${lock}' || exit 1; sleep 0.1; rmdir '${lock}'; echo a${Date.now()}-$$`)
      const one = Effect.scoped(
        Effect.flatMap(
          Credentials.make(Command.make({ command: gcloud }).pipe(Provider.persisted("gcloud"))),
          (credentials) => credentials.token
        )
      )
      const tokens = yield* Effect.all([one, one, one], { concurrency: 3 }).pipe(
        Effect.provide(Layer.merge(TokenStore.layerMemory(), NodeContext.layer))
      )
      assert.strictEqual(new Set(tokens.map(show)).size, 1)
    })
  )

  it.effect("a script of Windows is started with what its shell leaves alone, and with nothing else (S252)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        ["C:\\Program Files (x86)\\gcloud.cmd", "--account=ada@example.com", "a b", ""].map(Program.quoted),
        ['"C:\\Program Files (x86)\\gcloud.cmd"', '"--account=ada@example.com"', '"a b"', '""']
      )
      for (const arg of ['a"&calc', "%PATH%", "!x!", "a^b", "a&calc", "a|b", "a>b", "a<b", "a\nb", "a\\"]) {
        assert.isUndefined(Program.quoted(arg), arg)
        const error = yield* Effect.flip(run({ command: "gcloud.cmd", args: [arg] }))
        assert.strictEqual("option" in error && error.option, "args", arg)
      }
      yield* Effect.provide(
        Command.make({ command: "gcloud.CMD", args: ["auth", "print-access-token"] }).check,
        NodeContext.layer
      )
    })
  )

  it.effect("sees the environment it is given, in the language of programs (S255, S033)", () =>
    Effect.gen(function* () {
      const script = program(
        'printf "%s" "$LC_ALL,$NO_COLOR,$CLOUDSDK_CORE_DISABLE_PROMPTS,$MINE,$SOME_SECRET,${HOME:+home}"'
      )
      process.env["SOME_SECRET"] = "inherited"
      yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env["SOME_SECRET"]))
      const all = yield* run({ command: script, environment: { MINE: "m", LC_ALL: "de_DE" } })
      assert.strictEqual(show(all), "de_DE,1,1,m,inherited,home")
      const none = yield* run({ command: script, inherit: [] })
      assert.strictEqual(show(none), "C,1,1,,,home")
      const some = yield* run({ command: script, inherit: ["SOME_SECRET"] })
      assert.strictEqual(show(some), "C,1,1,,inherited,home")
    }).pipe(Effect.scoped)
  )

  it.effect("a flood of complaints does not stop it (S247)", () =>
    Effect.gen(function* () {
      const flood = "i=0; while [ $i -lt 48 ]; do head -c 65536 /dev/zero | tr '\\0' x >&2; i=$((i+1)); done"
      assert.strictEqual(show(yield* run({ command: program(`${flood}; echo t0ken`) })), "t0ken")
      const message = yield* messageOf({ command: program(`${flood}; echo; echo last >&2; exit 1`) })
      assert.isBelow(message.length, 1_000)
    })
  )

  it.effect("a flood of output is cut off, and its source ended (S248)", () =>
    Effect.gen(function* () {
      const file = path.join(folder, "flood")
      const message = yield* messageOf({ command: program(`echo $$ > '${file}'; exec yes`) })
      assert.include(message, "printed more than 1 MiB")
      assert.deepStrictEqual(pids(file).map(isAlive), [false])
    })
  )

  it.live(
    "one that hangs is ended when its time is up, with all it has started, even if it does not want to (S246)",
    () =>
      Effect.gen(function* () {
        const stubborn = [
          `trap '' TERM; echo $$ > "$0.pids"; while :; do sleep 1; done`,
          `(trap '' TERM; while :; do sleep 1; done) & echo $! $$ > "$0.pids"; wait`,
          `echo $$ > "$0.pids"; exec sleep 1000`
        ].map(program)
        yield* Effect.forEach(
          stubborn,
          (command) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(run({ command, timeLimit: "1 second" }))
              assert.isTrue("reason" in error && error.reason._tag === "Timeout" && error.isRetryable)
              assert.isAbove(pids(`${command}.pids`).length, 0)
              yield* until(() => !pids(`${command}.pids`).some(isAlive))
            }),
          { concurrency: "unbounded" }
        )
      })
  )

  it.live("interrupting whoever waits leaves no program behind (S246)", () =>
    Effect.gen(function* () {
      const command = program(`sleep 1000 & echo $! $$ > "$0.pids"; wait`)
      const fiber = yield* Effect.fork(
        Effect.provide(
          Command.make({ command }).acquire({
            previous: Option.none(),
            validFor: Duration.zero,
            interaction: "allowed"
          }),
          NodeContext.layer
        )
      )
      yield* until(() => pids(`${command}.pids`).length === 2)
      yield* Fiber.interrupt(fiber)
      yield* until(() => !pids(`${command}.pids`).some(isAlive))
    })
  )

  it.live("what others still hold open after it has ended is not waited for", () =>
    Effect.gen(function* () {
      const command = program(`sleep 1000 & echo $! > "$0.pids"; echo t0ken`)
      assert.strictEqual(show(yield* run({ command })), "t0ken")
      for (const pid of pids(`${command}.pids`)) process.kill(pid)
    })
  )

  it.effect("leaves no zombies after many runs (S257)", () =>
    Effect.gen(function* () {
      const command = program(`echo $$ >> "$0.pids"; echo t0ken`)
      yield* Effect.forEach(Array.from({ length: 40 }), () => run({ command }), { concurrency: 4 })
      const all = pids(`${command}.pids`)
      assert.strictEqual(all.length, 40)
      for (const pid of all) assert.throws(() => process.kill(pid, 0))
    })
  )

  const expiryOf = (token: Token) => Option.getOrUndefined(Option.map(token.expiresAt, DateTime.formatIso))
  const printing = (json: unknown) =>
    program(`cat <<'END'\n${typeof json === "string" ? json : JSON.stringify(json)}\nEND`)
  const credential = (status: unknown, more?: object) => ({
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status,
    ...more
  })

  it.effect("reads JSON of any shape, with its expiry (S254)", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Command.Options["parse"], unknown, string | undefined]> = [
        [{}, { access_token: "t0ken", expires_in: 60 }, "1970-01-01T00:01:00.000Z"],
        [
          { accessToken: "accessToken", expiresAt: "expires_on" },
          { accessToken: "t0ken", expires_on: 90 },
          "1970-01-01T00:01:30.000Z"
        ],
        [
          { accessToken: "credential.access_token", expiresAt: "credential.token_expiry" },
          { credential: { access_token: "t0ken", token_expiry: "1970-01-01T01:00:00Z" } },
          "1970-01-01T01:00:00.000Z"
        ],
        [
          { accessToken: "SessionToken", expiresAt: "Expiration" },
          { Version: 1, SessionToken: "t0ken", Expiration: "1970-01-01T00:30:00+00:00" },
          "1970-01-01T00:30:00.000Z"
        ],
        [
          "execCredential",
          credential({ token: "t0ken", expirationTimestamp: "1970-01-01T02:00:00+01:00" }),
          "1970-01-01T01:00:00.000Z"
        ],
        [
          "execCredential",
          credential({ token: "t0ken" }, { apiVersion: "client.authentication.k8s.io/v1beta1" }),
          undefined
        ]
      ]
      for (const [parse, json, expiry] of cases) {
        const token = yield* run({ command: printing(json), parse })
        assert.deepStrictEqual([show(token), expiryOf(token)], ["t0ken", expiry], JSON.stringify(json))
      }
    })
  )

  it.effect("tells a plugin of kubectl that nobody can be asked", () =>
    Effect.gen(function* () {
      const command = program(
        `test "$KUBERNETES_EXEC_INFO" = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}' || exit 9\n` +
          `echo '${JSON.stringify(credential({ token: "t0ken" }))}'`
      )
      assert.strictEqual(show(yield* run({ command, parse: "execCredential" })), "t0ken")
    })
  )

  it.effect("JSON that is not what it should be is an error that does not quote it (S256)", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Command.Options["parse"], unknown, string]> = [
        [{}, "c4nary-token", "something else than a JSON object"],
        [{}, `{"access_token":"c4nary`, "something else than a JSON object"],
        [{}, ["c4nary"], "something else than a JSON object"],
        [{}, { token: "c4nary" }, "no usable token: access_token is missing"],
        [{}, { access_token: "c4nary x" }, "no usable token: access_token is not"],
        [{}, { error: "c4nary", access_token: "c4nary" }, "an error instead of a token"],
        [{}, { access_token: "c4nary", expires_in: "soon" }, "no usable token: expires_in is not"],
        [{ accessToken: "a.b" }, { a: "c4nary" }, "no usable token: access_token is missing"],
        ["execCredential", credential({ clientCertificateData: "c4nary" }), "no usable token: access_token is missing"],
        ["execCredential", credential({ token: 7 }), "no usable token"],
        [
          "execCredential",
          credential({ token: "c4nary", expirationTimestamp: "tomorrow" }),
          "no usable token: expires_at"
        ],
        ["execCredential", credential(undefined), "no usable token"],
        ["execCredential", credential({ token: "c4nary" }, { kind: "Other" }), "something else than an ExecCredential"],
        [
          "execCredential",
          credential({ token: "c4nary" }, { apiVersion: "client.authentication.k8s.io/v2" }),
          "something else than an ExecCredential"
        ],
        [
          "execCredential",
          credential({ token: "c4nary" }, { apiVersion: undefined }),
          "something else than an ExecCredential"
        ]
      ]
      for (const [parse, json, description] of cases) {
        const message = yield* messageOf({ command: printing(json), parse })
        assert.include(message, description, JSON.stringify(json))
        assert.notInclude(message, "c4nary")
      }
    })
  )

  it.effect("options that cannot work fail the layer by name, and nothing is run", () =>
    Effect.gen(function* () {
      const ran = path.join(folder, "ran")
      const command = program(`touch '${ran}'; echo t0ken`)
      const cases: ReadonlyArray<readonly [keyof Command.Options, Partial<Record<keyof Command.Options, unknown>>]> = [
        ["command", { command: "" }],
        ["command", { command: "./relative" }],
        ["command", { command: "bin/relative" }],
        ["command", { command: "-rf" }],
        ["command", { command: "a\nb" }],
        ["args", { command: "gcloud.cmd", args: ["%PATH%"] }],
        ["args", { args: ["a\0b"] }],
        ["environment", { environment: { "A=B": "c" } }],
        ["environment", { environment: { A: "\0" } }],
        ["inherit", { inherit: [""] }],
        ["workingDirectory", { workingDirectory: " " }],
        ["timeLimit", { timeLimit: 0 }],
        ["timeLimit", { timeLimit: "2 hours" }],
        ["installHint", { installHint: "a\u001b[31m" }],
        ["parse", { parse: { accessToken: "a..b" } }]
      ]
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(run({ command, ...options } as Command.Options))
        assert.deepStrictEqual(
          "option" in error ? [error._tag, error.option] : error,
          ["InvalidOption", option],
          JSON.stringify(options)
        )
      }
      assert.isFalse(fs.existsSync(ran))
    })
  )
})

it.scoped("the shell of Windows finds no script in the current directory (S250, S252)", () =>
  Effect.gen(function* () {
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const platform = Object.getOwnPropertyDescriptor(process, "platform")!
        Object.defineProperty(process, "platform", { value: "win32", configurable: true })
        return platform
      }),
      (platform) => Effect.sync(() => Object.defineProperty(process, "platform", platform))
    )
    const seen: Array<PlatformCommand.StandardCommand> = []
    const executor = CommandExecutor.makeExecutor((command) => {
      seen.push(PlatformCommand.flatten(command)[0])
      return new SystemError({ reason: "NotFound", module: "Command", method: "start" })
    })
    for (const command of ["gcloud.cmd", "gcloud"]) {
      const options = { command, args: ["auth"], environment: { PATH: "C:\\sdk\\bin;.;sdk" }, inherit: [] }
      const need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" } as const
      const { message } = yield* Effect.flip(Command.make(options).acquire(need)).pipe(
        Effect.provideService(CommandExecutor.CommandExecutor, executor)
      )
      assert.include(message, `${command} was not found`)
    }
    const shown = seen.map(({ args, command, env, shell }) => {
      const { NoDefaultCurrentDirectoryInExePath: rule, PATH } = Object.fromEntries(env)
      return { line: [command, ...args].join(" "), shell, rule, PATH }
    })
    assert.deepStrictEqual(shown, [
      { line: '"gcloud.cmd" "auth"', shell: true, rule: "1", PATH: "C:\\sdk\\bin" },
      { line: "gcloud auth", shell: false, rule: undefined, PATH: "C:\\sdk\\bin" }
    ])
  })
)
