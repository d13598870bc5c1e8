/**
 * Tags of what stands on a higher floor: who only asks for it loads nothing of what provides it.
 *
 * @module
 */
import * as Context from "effect/Context"

/** `TokenStore.TokenStore`, whose module brings files, locks and encryption along. */
export const tokenStore: Context.Tag<any, any> = /* @__PURE__ */ Context.GenericTag("effect-credentials/TokenStore")
