def check(folder, model, config):
    pass
