"""One clip made visible: an mp4, a picture and a Rerun recording of its video, motion, surroundings and labels.

`finding` says which clip is meant, `shown` gathers what there is to show of it, `footage` reads its video, `layout`
says where everything goes. `plots`, `birds_eye` and `lettering` draw; `film`, `picture` and `recording` make the files.
"""
