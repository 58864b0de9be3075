"""The insides of simulated clusters: what is in them, and the Kubernetes API that tells of it.

Objects follow the extensions' lives and are made when somebody looks; kept is
what people have changed (:mod:`fleet.sim.inside.overlay`), and nothing else.
"""
