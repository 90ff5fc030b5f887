// What a worker takes that does nothing: measurements are against it.
export default {
  fetch: async (request) => new Response(`${(await request.text()).length}`),
};
