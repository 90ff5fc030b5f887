/** How bundlers and workerd hand out modules: compiled. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
